import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClosedError } from '../../../model/errors.js'
import type { Logger } from '../../../model/logger.js'
import { checkClusterVersion, openDataDirectory } from './data-directory.js'
import type { DataDirectory } from './data-directory.js'
import { claimGuard, createGuard, removeGuards } from './guard.js'
import { initialiseCluster } from './initialise-cluster.js'
import { awaitReady, isPassingFailure, launchServer, startFailed } from './launch-server.js'
import type { LaunchOptions } from './launch-server.js'
import { locateBinaries } from './locate-binaries.js'
import { databaseName, serverUserName } from './ownership-lock.js'
import type { OwnershipLock } from './ownership-lock.js'
import { prepareBinaries } from './prepare-binaries.js'
import type { ProcessIdentity } from './process-state.js'
import { createRuntimeDirectory, removeRuntimeDirectory, serverPort } from './runtime-directory.js'
import { giveTreeTo } from './server-user.js'
import { settleRemains } from './settle-remains.js'
import { takeStartMutex } from './start-mutex.js'
import { startWatchdog } from './start-watchdog.js'
import { stopServer } from './stop-server.js'

const mutexWaitMs = 20_000
const passingFailureLimitMs = 20_000
const retryMs = 200
const stopLimits = { fastMs: 8_000, immediateMs: 3_000 }

/**
 * How a start found the data directory: new, shut down, crashed (PostgreSQL replays its log), or with a server that a
 * crashed owner had left running.
 */
export type EmbeddedPostgresOrigin = 'created' | 'started' | 'recovered' | 'adopted'

/** A running PostgreSQL server that belongs to this process. */
export interface EmbeddedPostgres {
  /** Parameters for `pg`: host is the socket directory. */
  readonly connection: {
    readonly host: string
    readonly port: number
    readonly user: string
    readonly database: string
  }
  readonly dataDir: string
  readonly serverPid: number
  readonly origin: EmbeddedPostgresOrigin
  /** Stops the server and removes what it needed while it ran. May be called more than once. */
  stop(): Promise<void>
}

export interface EmbeddedPostgresOptions {
  readonly dataDir: string
  readonly logger: Logger
  /** Aborts the start; a server that has started is ended with `stop`. */
  readonly signal?: AbortSignal | undefined
  /** Called at most once, when the server ended or was lost without `stop`; ownership is gone then, and `stop` clears up. */
  readonly onServerExit?: ((reason: string) => void) | undefined
  /** Directory with `bin`, `lib` and `share`; the installed platform package by default. For tests. */
  readonly nativeDir?: string | undefined
}

/** A server in our hands, however it came to be. */
interface OwnedServer {
  readonly process: ProcessIdentity
  readonly exited: Promise<string> | null
  readonly lock: OwnershipLock
  readonly runtimeDir: string
  readonly port: number
  readonly origin: EmbeddedPostgresOrigin
}

/** What has to be undone, newest first, by a failed start and by `stop` alike. */
type Undo = (() => void | Promise<void>)[]

interface StartContext {
  readonly options: EmbeddedPostgresOptions
  readonly directory: DataDirectory
  readonly nonce: string
  readonly signal: AbortSignal
  readonly undo: Undo
}

/**
 * Starts the PostgreSQL server in a data directory, creating it when it is new, and makes this process its owner. Fails
 * with DataDirectoryLockedError only while another owner lives; after a crash it goes on from what is left.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const signal = options.signal ?? new AbortController().signal
  const undo: Undo = []
  try {
    signal.throwIfAborted()
    const directory = openDataDirectory(options.dataDir)
    const mutex = await takeStartMutex({ directory, waitMs: mutexWaitMs, signal })
    try {
      const context = { options, directory, nonce: randomBytes(8).toString('hex'), signal, undo }
      const server = await takeServer(context)
      await server.lock.ensureDatabase()
      signal.throwIfAborted()
      options.logger.info({ dataDir: directory.path, origin: server.origin, pid: server.process.pid }, 'database is up')
      return createHandle(server, context)
    } finally {
      mutex.release()
    }
  } catch (error) {
    await undoAll(undo)
    if (!signal.aborted) throw error
    throw new ClosedError('expected the embedded PostgreSQL to start, got a request to stop', { cause: error })
  }
}

async function takeServer(context: StartContext): Promise<OwnedServer> {
  const { options, directory, nonce, signal, undo } = context
  const settlement = await settleRemains({ directory, nonce, logger: options.logger, signal })
  if (settlement.kind === 'clear') return await startServer(context, settlement.crashed)
  const { process, file, lock, watchdog } = settlement.server
  undo.push(() => watchdog.dismiss())
  undo.push(() => removeGuards(directory.path, nonce))
  undo.push(() => removeOwnedDirectory(file.socketDir, context))
  undo.push(() => lock.release())
  undo.push(() => stopOwned(process, context))
  return { process, exited: null, lock, runtimeDir: file.socketDir, port: file.port, origin: 'adopted' }
}

async function startServer(context: StartContext, crashed: boolean): Promise<OwnedServer> {
  const { options, directory, nonce, signal, undo } = context
  const { logger } = options
  const nativeDir = options.nativeDir ?? locateBinaries()
  const runtimeDir = createRuntimeDirectory(directory)
  undo.push(() => removeGuards(directory.path, nonce))
  undo.push(() => removeOwnedDirectory(runtimeDir, context))
  createGuard(directory.path, nonce)
  const watchdog = await startWatchdog({ dataDir: directory.path, runtimeDir, nonce })
  // Dismissed last of all: should this process die while it clears up, the watchdog finishes the work.
  undo.unshift(() => watchdog.dismiss())
  const binaries = await prepareBinaries({ nativeDir, runtimeDir, directory, logger })
  checkClusterVersion(directory, binaries.majorVersion)
  signal.throwIfAborted()
  const created = await initialiseCluster({ directory, binaries, watchdog, signal })
  giveTreeTo(directory.clusterDir, directory.user)
  const launch = { directory, binaries, runtimeDir, logger }
  const server = await launchUntilReady(launch, context, (process) => watchdog.guard(process))
  const origin = created ? 'created' : crashed ? 'recovered' : 'started'
  return { ...server, runtimeDir, port: serverPort, origin }
}

/** Starts the server, again and again while the only obstacle is that the old one is not quite gone. */
async function launchUntilReady(
  launch: LaunchOptions,
  context: StartContext,
  guard: (process: ProcessIdentity) => void,
): Promise<Pick<OwnedServer, 'process' | 'exited' | 'lock'>> {
  const { options, signal, undo } = context
  const deadline = performance.now() + passingFailureLimitMs
  for (;;) {
    signal.throwIfAborted()
    const server = await launchServer(launch)
    guard(server.process)
    undo.push(() => stopOwned(server.process, context))
    const lock = await awaitReady(server, launch.runtimeDir, signal)
    undo.pop()
    if (typeof lock !== 'string') {
      // The lock outlives the server: let go earlier, another process could adopt a server that is about to end.
      undo.push(() => lock.release())
      undo.push(() => stopOwned(server.process, context))
      return { process: server.process, exited: server.exited, lock }
    }
    if (!isPassingFailure(lock) || performance.now() > deadline) throw startFailed(lock)
    options.logger.debug({ reason: lock }, 'starting the embedded PostgreSQL again')
    await sleep(retryMs, undefined, { signal })
  }
}

async function stopOwned(server: ProcessIdentity, { options, directory, nonce }: StartContext): Promise<void> {
  // After the loss of the lock another process may have adopted the server.
  if (!claimGuard(directory.path, nonce) || (await stopServer(server, stopLimits))) return
  options.logger.error({ pid: server.pid }, 'the embedded PostgreSQL did not end, not even when killed')
}

function removeOwnedDirectory(runtimeDir: string, { directory, nonce }: StartContext): void {
  if (claimGuard(directory.path, nonce)) removeRuntimeDirectory(runtimeDir)
}

function createHandle(server: OwnedServer, { options, directory, undo }: StartContext): EmbeddedPostgres {
  let stopping: Promise<void> | null = null
  /** Nobody is told of an end twice, nor of one that was asked for. */
  let over = false
  const reportLoss = (reason: string): void => {
    if (over) return
    over = true
    options.logger.error({ dataDir: directory.path, reason }, 'the embedded PostgreSQL was lost')
    options.onServerExit?.(reason)
  }
  void server.exited?.then(reportLoss)
  server.lock.onLost(() => reportLoss('its owner’s session ended'))
  return {
    connection: { host: server.runtimeDir, port: server.port, user: serverUserName, database: databaseName },
    dataDir: directory.path,
    serverPid: server.process.pid,
    origin: server.origin,
    stop: () => {
      over = true
      // Steps that failed are not kept: another call goes on with what is left.
      stopping ??= undoAll(undo).finally(() => (stopping = null))
      return stopping
    },
  }
}

/** Undoes every step even when one of them fails, and reports the first failure. */
async function undoAll(undo: Undo): Promise<void> {
  const failures: unknown[] = []
  for (let step = undo.pop(); step !== undefined; step = undo.pop()) {
    try {
      await step()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}
