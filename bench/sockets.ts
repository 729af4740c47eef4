import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { silentLogger } from '../src/model/logger.js'
import { startEmbeddedPostgres } from '../src/storage/postgres/embedded/start-embedded-postgres.js'
import { runService, temporaryFolder } from '../test/support/service.js'
import type { Listening } from './one-insert-server.js'
import { median } from './quantile.js'
import type { ClientTask, ReportFigures, StuckFigures, WatchFigures } from './socket-clients.js'

export interface SocketFigures {
  /** Acknowledged snapshots a second from emit to acknowledgement, median of the rounds. */
  readonly reports: ReportFigures & { readonly oneInsertPerSecond: number; readonly ratio: number }
  readonly viewers: WatchFigures
  readonly idle: { readonly connections: number; readonly kibPerConnection: number }
  readonly stuck: StuckFigures & { readonly addedMiB: number }
}

const ROUNDS = 3
const SECONDS = 6
const VIEWERS = 1000
const EVENTS_PER_SECOND = 50
const IDLE = 5000
const STUCK_READER_LOAD = { perSecond: 300, seconds: 10 }
const SETTLE_MS = 4000

/** Measures the Socket.IO side of the built service, with clients in a process of their own. */
export async function measureSockets(): Promise<SocketFigures> {
  console.error(`sockets: ${ROUNDS} rounds, ${VIEWERS} viewers, ${IDLE} idle connections; about 3 minutes …`)
  return {
    reports: await measureReports(),
    viewers: await withService((url) =>
      clients<WatchFigures>({ kind: 'watch', url, viewers: VIEWERS, perSecond: EVENTS_PER_SECOND, seconds: 15 }),
    ),
    idle: await withService(measureIdle),
    stuck: await withService(measureStuck),
  }
}

/** Ours and the plain way in turn, on the same database server. */
async function measureReports(): Promise<SocketFigures['reports']> {
  const ours: ReportFigures[] = []
  const plain: ReportFigures[] = []
  await withDatabase(async (databaseUrl) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      plain.push(await withPlainServer(databaseUrl, report))
      ours.push(await withService(report, { DATABASE_URL: databaseUrl }))
    }
  })
  const acknowledgedPerSecond = median(ours.map((figures) => figures.acknowledgedPerSecond))
  const oneInsertPerSecond = median(plain.map((figures) => figures.acknowledgedPerSecond))
  return {
    acknowledgedPerSecond,
    oneInsertPerSecond,
    ratio: acknowledgedPerSecond / oneInsertPerSecond,
    p50Ms: median(ours.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(ours.map(({ p99Ms }) => p99Ms)),
    total: ours.reduce((sum, { total }) => sum + total, 0),
    unseen: ours.reduce((sum, { unseen }) => sum + unseen, 0),
  }
}

function report(url: string): Promise<ReportFigures> {
  return clients<ReportFigures>({ kind: 'report', url, sockets: 20, inFlight: 256, seconds: SECONDS })
}

async function measureIdle(url: string, pid: number): Promise<SocketFigures['idle']> {
  // What the first connections cost once is not counted.
  const first = await openIdle(url, 100)
  await first.close()
  await sleep(SETTLE_MS)
  const beforeKib = await residentKib(pid)
  const { connections, close } = await openIdle(url, IDLE)
  await sleep(SETTLE_MS)
  const afterKib = await residentKib(pid)
  await close()
  return { connections, kibPerConnection: (afterKib - beforeKib) / connections }
}

async function openIdle(url: string, sockets: number): Promise<{ connections: number; close: () => Promise<void> }> {
  const child = startClients({ kind: 'idle', url, sockets })
  const connections = await answerOf<number>(child)
  return {
    connections,
    close: async () => {
      const exited = once(child, 'exit')
      child.send('close')
      await exited
    },
  }
}

/** The same load without and with a reader that does not read, and what more there is of memory at the most. */
async function measureStuck(url: string, pid: number): Promise<SocketFigures['stuck']> {
  const load = { kind: 'stuck', url, ...STUCK_READER_LOAD } as const
  await mostKib(pid, clients<StuckFigures>({ ...load, stuck: 0 }))
  const without = await mostKib(pid, clients<StuckFigures>({ ...load, stuck: 0 }))
  const beside = await mostKib(pid, clients<StuckFigures>({ ...load, stuck: 1 }))
  return { ...beside.result, addedMiB: (beside.kib - without.kib) / 1024 }
}

async function mostKib<Result>(pid: number, work: Promise<Result>): Promise<{ result: Result; kib: number }> {
  let kib = 0
  let done = false
  const watching = (async () => {
    while (!done) {
      kib = Math.max(kib, await residentKib(pid))
      await sleep(50)
    }
  })()
  const result = await work.finally(() => (done = true))
  await watching
  return { result, kib }
}

function startClients(task: ClientTask): ChildProcess {
  return fork(join(import.meta.dirname, 'socket-clients.ts'), [JSON.stringify(task)], { execArgv: ['--import', 'tsx'] })
}

async function clients<Result>(task: ClientTask): Promise<Result> {
  const child = startClients(task)
  const result = await answerOf<Result>(child)
  child.kill()
  await once(child, 'exit')
  return result
}

async function answerOf<Result>(child: ChildProcess): Promise<Result> {
  const ended = once(child, 'exit').then(() => {
    throw new Error('a process of the benchmark ended before it had an answer')
  })
  const answered = once(child, 'message')
  ended.catch(() => undefined)
  const [result] = (await Promise.race([answered, ended])) as [Result]
  return result
}

async function withDatabase<Result>(work: (databaseUrl: string) => Promise<Result>): Promise<Result> {
  const dataDir = await temporaryFolder()
  const server = await startEmbeddedPostgres({ dataDir, logger: silentLogger })
  const { host, port, user, database } = server.connection
  try {
    return await work(`postgresql://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`)
  } finally {
    await server.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function withPlainServer<Result>(databaseUrl: string, work: (url: string) => Promise<Result>): Promise<Result> {
  const child = fork(join(import.meta.dirname, 'one-insert-server.ts'), [], {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, DATABASE_URL: databaseUrl },
  })
  try {
    return await work((await answerOf<Listening>(child)).url)
  } finally {
    child.kill()
    await once(child, 'exit')
  }
}

/** The built service, on a database of its own where none is given. */
async function withService<Result>(
  work: (url: string, pid: number) => Promise<Result>,
  env: Readonly<Record<string, string>> = {},
): Promise<Result> {
  const folder = await temporaryFolder()
  const service = runService({ cwd: folder, env: { TIDEMARK_DATA_DIR: `${folder}/data`, ...env } })
  try {
    return await work(await service.ready(), service.pid)
  } finally {
    service.kill('SIGTERM')
    await service.exited()
    await rm(folder, { recursive: true, force: true })
  }
}

/** The kernel's own figure for the process, without its children. */
async function residentKib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]
  if (kib === undefined) throw new Error(`expected VmRSS of process ${pid}`)
  return Number(kib)
}
