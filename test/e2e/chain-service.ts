import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

import { until } from '../support/until.js'

const entry = resolve(import.meta.dirname, '../../dist/cli/main.js')
const START_TIMEOUT_MS = 30_000

/** The built service, configured by environment variables alone; its data and its port outlive one process. */
export interface ServiceUnderTest {
  readonly url: string
  /** Lines of its log, over all its runs. */
  readonly log: readonly Readonly<Record<string, unknown>>[]
  /** Starts the process and waits until it says that it is ready. */
  start(): Promise<void>
  /** `kill -9`. */
  kill(): Promise<void>
  /** Ends the process in good order and checks that it says so. */
  stop(): Promise<void>
  get<Answer>(path: string): Promise<Answer>
  /** The status and the answer of a request of any method. */
  send(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly body: unknown }>
  /** Ends the process however it stands and removes its data. */
  dispose(): Promise<void>
}

export async function createService(env: Readonly<Record<string, string>>): Promise<ServiceUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-e2e-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const log: Readonly<Record<string, unknown>>[] = []
  let child: ChildProcess | null = null

  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    const running = child
    child = null
    if (running === null || running.exitCode !== null || running.signalCode !== null) return running?.exitCode ?? null
    const exited = once(running, 'exit')
    running.kill(signal)
    const [code] = (await exited) as [number | null]
    return code
  }

  return {
    url,
    log,
    async start() {
      const started = spawn(process.execPath, [entry, 'start'], {
        cwd: folder,
        env: { PATH: process.env['PATH'], TIDEMARK_DATA_DIR: join(folder, 'data'), PORT: String(port), ...env },
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      child = started
      let ready = false
      createInterface({ input: started.stderr }).on('line', (text) => {
        const line = parseLine(text)
        log.push(line)
        ready ||= line['msg'] === 'tidemark is ready'
      })
      await until('the service is ready', () => ready || started.exitCode !== null, START_TIMEOUT_MS)
      if (!ready) throw new Error(`the service ended with code ${started.exitCode}: ${JSON.stringify(log.slice(-5))}`)
    },
    async kill() {
      await end('SIGKILL')
    },
    async stop() {
      const code = await end('SIGTERM')
      if (code !== 0) throw new Error(`expected exit code 0, got ${code}: ${JSON.stringify(log.slice(-5))}`)
    },
    async get<Answer>(path: string) {
      const response = await fetch(`${url}${path}`)
      if (!response.ok) throw new Error(`GET ${path}: expected 200, got ${response.status}: ${await response.text()}`)
      return (await response.json()) as Answer
    },
    async send(method, path, body) {
      const response = await fetch(`${url}${path}`, {
        method,
        ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, body: text === '' ? null : (JSON.parse(text) as unknown) }
    },
    async dispose() {
      await end('SIGTERM')
      await rm(folder, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function parseLine(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>
  } catch {
    return { msg: text }
  }
}
