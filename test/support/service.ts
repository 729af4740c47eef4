import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

import { until } from './until.js'

const cli = resolve(import.meta.dirname, '../../dist/cli/main.js')
/** What a service of a test must not inherit from the shell that runs the tests. */
const own =
  /(_RPC_URL|_WS_URL|_TOKENS|^SOLVER_ADDRESSES|^DATABASE_URL|^MONGODB_URL|^TIDEMARK_|^API_KEYS|^HOST|^PORT|^PUBLIC_READ|^ALLOW_UNAUTHENTICATED|^LOG_LEVEL)$/

export interface ServiceProcess {
  readonly child: ChildProcess
  readonly pid: number
  /** Standard error so far: one JSON line each, as a service logs. */
  readonly log: () => string
  readonly stdout: () => string
  /** The address, once the service is ready. */
  ready(): Promise<string>
  /** Waits for the end. */
  exited(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  kill(signal: NodeJS.Signals): void
}

export interface ServiceOptions {
  /** Default: `start`. */
  readonly args?: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** In a process group of its own, so that the whole group can be ended. */
  readonly detached?: boolean
}

/** Runs the built command-line program with nothing but the given settings. */
export function runService(options: ServiceOptions): ServiceProcess {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)))
  const child = spawn(process.execPath, [cli, ...(options.args ?? ['start'])], {
    cwd: options.cwd,
    env: { ...inherited, PORT: '0', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: options.detached ?? false,
  })
  let log = ''
  let stdout = ''
  child.stderr.on('data', (data: Buffer) => (log += data.toString()))
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()))
  const exit = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((done) => {
    child.on('exit', (code, signal) => done({ code, signal }))
  })
  let ended = false
  void exit.then(() => (ended = true))
  const url = (): string | undefined => /"url":"(http:[^"]+)","docs"/.exec(log)?.[1]
  return {
    child,
    pid: child.pid ?? -1,
    log: () => log,
    stdout: () => stdout,
    async ready() {
      await until(
        'the service is ready',
        () => {
          if (ended) throw new Error(`the service ended instead of getting ready:\n${log.slice(-2000)}`)
          return url() !== undefined
        },
        30_000,
      )
      return url() ?? ''
    },
    exited: () => exit,
    kill: (signal) => child.kill(signal),
  }
}

export function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'tidemark-test-'))
}
