import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { rm } from 'node:fs/promises'
import type { Readable, Writable } from 'node:stream'
import { anvilGuardProgram } from './anvil-guard.js'
import { AnvilError } from './errors.js'

/** A started anvil that listens. */
export interface AnvilProcess {
  readonly pid: number
  readonly port: number
  /** Fulfilled with the exit code once the process is gone, by request or by itself. */
  readonly ended: Promise<number | null>
  stop(): Promise<void>
}

export interface AnvilProcessOptions {
  readonly binary: string
  readonly args: readonly string[]
  /** The process's home and working directory, removed when it ends. */
  readonly folder: string
}

type Guard = ChildProcessByStdio<Writable, Readable, Readable>

const startTimeoutMs = 20_000
const stopGraceMs = 2_000
const killTimeoutMs = 10_000
const startOutputLimit = 65_536

/** Starts anvil under its guard and waits until it listens. */
export async function startAnvilProcess(options: AnvilProcessOptions): Promise<AnvilProcess> {
  const guard = spawnGuard(options)
  const ended = new Promise<number | null>((resolve) => {
    guard.once('error', () => resolve(null))
    guard.once('exit', (code) => resolve(code))
  })
  let pid: number | undefined
  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> => (stopping ??= endGuard({ guard, ended, folder: options.folder, pid }))
  try {
    const started = await readStart(guard)
    pid = started.pid
    // A guard that was killed cannot end its child any more.
    guard.once('exit', (_, signal) => {
      if (signal !== null) kill(started.pid)
    })
    letOwnerEnd(guard)
    return { pid: started.pid, port: started.port, ended, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function spawnGuard({ binary, args, folder }: AnvilProcessOptions): Guard {
  const kept = ['PATH', 'SystemRoot', 'LD_LIBRARY_PATH'].map((name) => [name, process.env[name]] as const)
  const guard = spawn(process.execPath, ['-e', anvilGuardProgram, folder, String(stopGraceMs), binary, ...args], {
    // Its own process group: Ctrl-C in a terminal reaches only the owner, who then stops the chain in good order.
    detached: true,
    cwd: folder,
    env: { ...Object.fromEntries(kept), HOME: folder, USERPROFILE: folder, TMPDIR: folder, TEMP: folder, TMP: folder },
    stdio: ['pipe', 'pipe', 'pipe'],
    windowsHide: true,
  })
  // The pipe breaks when the guard ends first, which `ended` tells already.
  guard.stdin.on('error', () => {})
  return guard
}

/** Reads the pid from the guard's first line and the port from what anvil says once it listens. */
async function readStart(guard: Guard): Promise<{ pid: number; port: number }> {
  let output = ''
  const failure = (got: string, cause?: unknown): AnvilError => {
    const wrote = output.trim().slice(-1_000) || 'nothing'
    const message = `expected anvil to listen within ${startTimeoutMs} ms, got ${got}; it wrote: ${wrote}`
    return new AnvilError(message, { cause, hint: 'Check that the port is free and that the program runs here.' })
  }
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(failure('no answer')), startTimeoutMs)
    const onData = (text: string): void => {
      output = (output + text).slice(0, startOutputLimit)
      const pid = /^pid (\d+)$/m.exec(output)?.[1]
      const port = /Listening on 127\.0\.0\.1:(\d+)\s/.exec(output)?.[1]
      if (pid === undefined || port === undefined) return
      clearTimeout(timer)
      // From here on the output is only drained, so that the pipe never fills and blocks the node.
      for (const stream of [guard.stdout, guard.stderr]) stream.off('data', onData).resume()
      resolve({ pid: Number(pid), port: Number(port) })
    }
    for (const stream of [guard.stdout, guard.stderr]) stream.setEncoding('utf8').on('data', onData)
    // 'close' and not 'exit': only then has everything it wrote arrived.
    guard.once('close', (code) => {
      clearTimeout(timer)
      reject(failure(`the end of its process with code ${code}`))
    })
    guard.once('error', (error) => {
      clearTimeout(timer)
      reject(failure('no process', error))
    })
  })
}

/** A chain that was forgotten must not keep its owner running; the guard ends it then. */
function letOwnerEnd(guard: Guard): void {
  guard.unref()
  for (const stream of guard.stdio) {
    if (stream != null && 'unref' in stream && typeof stream.unref === 'function') stream.unref()
  }
}

interface Ending {
  readonly guard: Guard
  readonly ended: Promise<number | null>
  readonly folder: string
  readonly pid: number | undefined
}

async function endGuard({ guard, ended, folder, pid }: Ending): Promise<void> {
  guard.ref()
  guard.stdin.end()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), stopGraceMs + killTimeoutMs)
  })
  const outcome = await Promise.race([ended, late])
  clearTimeout(timer)
  if (outcome === 'late') {
    if (pid !== undefined) kill(pid)
    guard.kill('SIGKILL')
    await ended
  }
  for (const stream of guard.stdio) stream?.destroy()
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
