import { tmpdir } from 'node:os'

import type { Socket } from 'socket.io-client'
import { io } from 'socket.io-client'

import { BalanceManager } from '../../src/index.js'
import { networkTransport } from '../../src/chain/rpc/node-transport.js'
import { systemClock } from '../../src/model/clock.js'
import { createServer } from '../../src/server/create-server.js'
import type { ServerConfig } from '../../src/server/create-server.js'
import { databaseLimits } from '../../src/storage/postgres/database.js'
import type { DatabaseLimits } from '../../src/storage/postgres/database.js'
import { listProcesses } from '../../src/storage/postgres/embedded/process-state.js'
import { openPostgresStorage } from '../../src/storage/postgres/postgres-storage.js'
import { times } from '../support/long.js'
import { recordLog } from '../support/log-recorder.js'
import type { LogLine } from '../support/log-recorder.js'
import { openConfig } from './server-fixture.js'

/** The long form waits as long as a service does; the short one has a tenth of the time. */
export const limits: DatabaseLimits =
  times(1, 0) === 0
    ? databaseLimits
    : { connectTimeoutMs: 500, statementTimeoutMs: 1000, queryTimeoutMs: 1200, listenCheckMs: 500 }

/** Within this time every request is answered: a connection is waited for, then the answer; with room for a busy machine. */
export const deadlineMs: number = limits.connectTimeoutMs + limits.queryTimeoutMs + 8000

export interface FaultyService {
  readonly manager: BalanceManager
  readonly url: string
  readonly lines: readonly LogLine[]
  /** Settles with the start. */
  readonly started: Promise<void>
  connect(auth?: Record<string, unknown>): Socket
  close(): Promise<void>
}

export interface FaultyServiceOptions {
  /** Null for the embedded server in `dataDir`. */
  readonly databaseUrl: string | null
  readonly dataDir?: string
  readonly server?: Partial<ServerConfig>
  /** True to serve while the manager still waits for its database. */
  readonly waiting?: boolean
}

/** Manager and server in this process, on a database that will be in trouble. */
export async function serveInTrouble(options: FaultyServiceOptions): Promise<FaultyService> {
  const { databaseUrl, dataDir = tmpdir(), waiting = false } = options
  const { logger, lines } = recordLog()
  const manager = new BalanceManager({
    config: { chains: [], solvers: [], databaseUrl, dataDir },
    logger,
    environment: {
      clock: systemClock,
      transport: networkTransport,
      openStorage: (settings, log) => openPostgresStorage({ ...settings, limits }, log),
    },
  })
  const started = manager.start({ databaseWaitMs: Infinity })
  started.catch(() => undefined)
  if (!waiting) await started
  const server = await createServer({ manager, config: { ...openConfig, ...options.server }, logger })
  const sockets = new Set<Socket>()
  return {
    manager,
    url: server.url,
    lines,
    started,
    connect: (auth) => {
      const socket = io(server.url, {
        path: '/api/socket.io',
        transports: ['websocket'],
        forceNew: true,
        ...(auth === undefined ? {} : { auth }),
      })
      sockets.add(socket)
      return socket
    },
    close: async () => {
      for (const socket of sockets) socket.disconnect()
      await server.close()
      await manager.close()
    },
  }
}

/** A PostgreSQL server and every process of it. */
function processesOf(postmasterPid: number): readonly number[] {
  const children = listProcesses().filter(({ parentPid }) => parentPid === postmasterPid)
  return [postmasterPid, ...children.map(({ pid }) => pid)]
}

/** Stops a PostgreSQL server where it stands; it goes on when the returned function is called. */
export function freeze(postmasterPid: number): () => void {
  // The postmaster first: it makes no new process then.
  process.kill(postmasterPid, 'SIGSTOP')
  const frozen = processesOf(postmasterPid)
  for (const pid of frozen.slice(1)) process.kill(pid, 'SIGSTOP')
  return () => {
    for (const pid of frozen) process.kill(pid, 'SIGCONT')
  }
}
