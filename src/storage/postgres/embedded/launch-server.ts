import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { totalmem } from 'node:os'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../../model/logger.js'
import type { DataDirectory } from './data-directory.js'
import { EmbeddedPostgresStartError } from './embedded-errors.js'
import { clusterArgument } from './initialise-cluster.js'
import { useServerHint } from './locate-binaries.js'
import { tryOwnershipLock } from './ownership-lock.js'
import type { OwnershipLock } from './ownership-lock.js'
import type { ServerBinaries } from './prepare-binaries.js'
import { readProcess } from './process-state.js'
import type { ProcessIdentity } from './process-state.js'
import { serverPort } from './runtime-directory.js'

const pollMs = 10
// Replaying a long log on a slow disk takes minutes; cut off, it would have to begin again.
const readyTimeoutMs = 600_000
const keptLines = 20

/** The newest leaves of the indexes of ten thousand positions: while they fit in, a record costs half as much to store. */
const SHARED_BUFFERS_MAX_MIB = 256
const SHARED_BUFFERS_MIN_MIB = 32

/** An eighth of the memory there is, of the machine or of the container; what is not needed is never taken. */
function sharedBuffersMiB(): number {
  const bytes = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY)
  return Math.max(SHARED_BUFFERS_MIN_MIB, Math.min(SHARED_BUFFERS_MAX_MIB, Math.floor(bytes / 8 / 2 ** 20)))
}

const settings: Readonly<Record<string, string>> = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  shared_buffers: `${sharedBuffersMiB()}MB`,
  max_connections: '60',
  jit: 'off',
  io_method: 'sync',
  wal_init_zero: 'off',
  max_logical_replication_workers: '0',
  log_destination: 'stderr',
  logging_collector: 'off',
  log_min_messages: 'warning',
  timezone: 'UTC',
  log_timezone: 'UTC',
}

/** A server that this process has started. */
export interface LaunchedServer {
  readonly process: ProcessIdentity
  /** Resolves with a sentence when the process has ended, for whatever reason. */
  readonly exited: Promise<string>
}

export interface LaunchOptions {
  readonly directory: DataDirectory
  readonly binaries: ServerBinaries
  readonly runtimeDir: string
  readonly logger: Logger
}

/** The command line of the server. */
export function serverArguments(options: { clusterDir: string; runtimeDir: string; token: string }): string[] {
  const named = { ...settings, cluster_name: options.token }
  const placed = ['-D', clusterArgument(options.clusterDir), '-k', options.runtimeDir, '-p', String(serverPort)]
  return [...placed, ...Object.entries(named).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
}

/** Starts the server's process; it is not ready yet. */
export async function launchServer(options: LaunchOptions): Promise<LaunchedServer> {
  const { directory, binaries, runtimeDir } = options
  const args = serverArguments({ clusterDir: directory.clusterDir, runtimeDir, token: directory.token })
  const child = spawn(binaries.postgres, args, {
    cwd: directory.clusterDir,
    env: binaries.env,
    stdio: ['ignore', 'ignore', 'pipe'],
    // A session of its own: Ctrl-C at a terminal must reach the owner, not the server it still needs.
    detached: true,
    ...directory.user,
  })
  const lines: string[] = []
  // Once adopted by another process the server writes into a closed pipe, which it ignores: those lines are lost.
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line)
    if (lines.length > keptLines) lines.shift()
    options.logger.debug({ line }, 'embedded PostgreSQL')
  })
  try {
    await once(child, 'spawn')
  } catch (cause) {
    throw startFailed(String(cause), cause)
  }
  const exited = describeExit(child, lines)
  const state = child.pid === undefined ? null : readProcess(child.pid)
  if (state === null) throw startFailed(await exited)
  return { process: state, exited }
}

/** Waits until the server answers, and becomes its owner. A string is the reason why it ended instead. */
export async function awaitReady(
  server: LaunchedServer,
  runtimeDir: string,
  signal: AbortSignal,
): Promise<OwnershipLock | string> {
  const deadline = performance.now() + readyTimeoutMs
  const exit: { reason: string | null } = { reason: null }
  void server.exited.then((reason) => (exit.reason = reason))
  while (performance.now() < deadline) {
    signal.throwIfAborted()
    const attempt = await tryOwnershipLock({ host: runtimeDir, port: serverPort })
    if (attempt.kind === 'held') return attempt.lock
    if (exit.reason !== null) return exit.reason
    await sleep(pollMs, undefined, { signal })
  }
  throw startFailed(`no answer within ${readyTimeoutMs / 1000} s`)
}

/** True for the ends that pass by themselves: the old server is dead but not yet out of the process table. */
export function isPassingFailure(reason: string): boolean {
  return /lock file "postmaster\.pid" already exists|pre-existing shared memory block/.test(reason)
}

/** The error for a server that did not come up, with what it said. */
export function startFailed(reason: string, cause?: unknown): EmbeddedPostgresStartError {
  return new EmbeddedPostgresStartError(`expected the embedded PostgreSQL to start, got: ${reason}`, {
    cause,
    hint: `Check the disk of TIDEMARK_DATA_DIR and the message above. ${useServerHint}`,
  })
}

async function describeExit(child: ChildProcess, lines: readonly string[]): Promise<string> {
  await once(child, 'close')
  const how = child.signalCode === null ? `code ${child.exitCode}` : `signal ${child.signalCode}`
  return `it ended with ${how}${lines.length === 0 ? '' : `: ${lines.join(' | ')}`}`
}
