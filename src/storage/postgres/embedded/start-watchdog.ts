import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { EmbeddedPostgresStartError } from './embedded-errors.js'
import type { ProcessIdentity } from './process-state.js'

/** The process that stops the server when this one dies. */
export interface Watchdog {
  /** Says which process is to be stopped; the last one told counts. */
  guard(target: ProcessIdentity): void
  /** Ends the watchdog without any effect on the server. */
  dismiss(): Promise<void>
}

/** Starts a watchdog that answers for the server as long as the guard file carries its `nonce`. */
export async function startWatchdog(options: {
  dataDir: string
  runtimeDir: string
  nonce: string
}): Promise<Watchdog> {
  const child = spawn(
    process.execPath,
    [...scriptArguments(), options.dataDir, options.runtimeDir, options.nonce],
    // Detached: a session of its own, so that a signal to the owner's process group does not reach it. NODE_OPTIONS is
    // left out, since it may carry a debugger's port or hooks that belong to the owner.
    {
      cwd: '/',
      env: { PATH: process.env['PATH'], TMPDIR: process.env['TMPDIR'] },
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    },
  )
  // An end of the pipe that is gone shows as an error here; the server's owner does not depend on the watchdog.
  child.stdin.on('error', () => {})
  try {
    await once(child, 'spawn')
  } catch (cause) {
    throw new EmbeddedPostgresStartError('expected to start the watchdog of the embedded PostgreSQL, got an error', {
      cause,
    })
  }
  child.on('error', () => {})
  child.unref()
  return {
    guard: ({ pid, startTime, executable }) => void child.stdin.write(`${pid}\t${startTime}\t${executable ?? ''}\n`),
    dismiss: () => dismiss(child),
  }
}

async function dismiss(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.ref()
  // SIGKILL and not the end of the pipe: it must not take its owner for dead.
  child.kill('SIGKILL')
  await exited
}

/** Built files run as they are; from TypeScript sources (tests) the loader is named by its full path, as the cwd differs. */
function scriptArguments(): string[] {
  if (!import.meta.url.endsWith('.ts')) return [fileURLToPath(new URL('./watchdog.js', import.meta.url))]
  const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx'))
  return ['--import', loader.href, fileURLToPath(new URL('./watchdog.ts', import.meta.url))]
}
