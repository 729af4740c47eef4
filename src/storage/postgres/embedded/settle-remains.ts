import { readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../../model/logger.js'
import type { DataDirectory } from './data-directory.js'
import { DataDirectoryLockedError, EmbeddedPostgresStartError } from './embedded-errors.js'
import { findRemains } from './find-cluster-processes.js'
import type { PostmasterFile, Remains } from './find-cluster-processes.js'
import { isBeingStopped, isOwnerAlive, readGuardOwner, removeGuards, takeOverGuard } from './guard.js'
import { tryOwnershipLock } from './ownership-lock.js'
import type { OwnershipLock } from './ownership-lock.js'
import { hasProcFs, pidExists, signalProcess } from './process-state.js'
import type { ProcessState } from './process-state.js'
import { isRuntimeDirectory, removeLeftRuntimeDirectories } from './runtime-directory.js'
import { startWatchdog } from './start-watchdog.js'
import type { Watchdog } from './start-watchdog.js'
import { stopServer } from './stop-server.js'

// A watchdog has finished after 5 s and a bootstrap after one; what is left then is stopped. Both together stay under 20 s.
const patienceMs = 8_000
const stopLimits = { fastMs: 5_000, immediateMs: 2_000 }
const pollMs = 50

/** A server that an earlier owner left running and that is ours now. */
export interface AdoptedServer {
  readonly process: ProcessState
  readonly file: PostmasterFile
  readonly lock: OwnershipLock
  readonly watchdog: Watchdog
}

export type Settlement =
  | { readonly kind: 'adopted'; readonly server: AdoptedServer }
  /** Nothing runs. `crashed` tells whether the last server ended without a shutdown of its own accord. */
  | { readonly kind: 'clear'; readonly crashed: boolean }

interface SettleOptions {
  readonly directory: DataDirectory
  /** Name of our own watchdog's guard, should a server be adopted. */
  readonly nonce: string
  readonly logger: Logger
  readonly signal: AbortSignal
}

/**
 * Deals with what an earlier start left behind: adopts a running server, waits for one that is being stopped, stops one
 * that nobody owns. Only a live owner makes it fail. To be called by the holder of the start mutex.
 */
export async function settleRemains(options: SettleOptions): Promise<Settlement> {
  const { directory, signal } = options
  const startedAt = performance.now()
  let stopped = false
  for (;;) {
    signal.throwIfAborted()
    const remains = findRemains(directory)
    if (remains.processes.length === 0) {
      clearLeftFiles(directory, remains)
      return { kind: 'clear', crashed: stopped || remains.file !== null }
    }
    const verdict = await judge(remains, options)
    if (verdict.kind === 'adopted') return verdict
    if (verdict.kind === 'useless' || performance.now() - startedAt > patienceMs) {
      await stopRemains(remains, options)
      stopped = true
    }
    await sleep(pollMs, undefined, { signal })
  }
}

type Verdict =
  | { readonly kind: 'adopted'; readonly server: AdoptedServer }
  /** It may answer, or end, by itself. */
  | { readonly kind: 'wait' }
  /** Nobody owns it, and it cannot be taken over. */
  | { readonly kind: 'useless' }

async function judge(remains: Remains, options: SettleOptions): Promise<Verdict> {
  const { file, postmaster } = remains
  if (file === null || postmaster === null || file.socketDir === '') return { kind: 'wait' }
  const attempt = await tryOwnershipLock({ host: file.socketDir, port: file.port })
  if (attempt.kind === 'held') return await adopt({ process: postmaster, file, lock: attempt.lock }, options)
  if (attempt.kind === 'taken' && attempt.alive) throw locked(options.directory, attempt.pid)
  return { kind: 'wait' }
}

/** We hold the lock, so nobody else owns the server; the guard decides between us and the old owner's watchdog. */
async function adopt(server: Omit<AdoptedServer, 'watchdog'>, options: SettleOptions): Promise<Verdict> {
  const { directory, nonce } = options
  if (isBeingStopped(directory.path)) {
    server.lock.release()
    return { kind: 'wait' }
  }
  if (!isRuntimeDirectory(server.file.socketDir, directory) || hasStaleProgram(server.process)) {
    server.lock.release()
    return { kind: 'useless' }
  }
  const watchdog = await startWatchdogFor(server, options)
  if (takeOverGuard(directory.path, nonce)) return { kind: 'adopted', server: { ...server, watchdog } }
  await watchdog.dismiss()
  server.lock.release()
  return { kind: isBeingStopped(directory.path) ? 'wait' : 'useless' }
}

async function startWatchdogFor(server: Omit<AdoptedServer, 'watchdog'>, options: SettleOptions): Promise<Watchdog> {
  try {
    const { directory, nonce } = options
    const watchdog = await startWatchdog({ dataDir: directory.path, runtimeDir: server.file.socketDir, nonce })
    watchdog.guard(server.process)
    return watchdog
  } catch (error) {
    server.lock.release()
    throw error
  }
}

/** True when an upgrade has replaced the program since: the old one may no longer find its own files. */
function hasStaleProgram(server: ProcessState): boolean {
  try {
    return readlinkSync(`/proc/${server.pid}/exe`).endsWith(' (deleted)')
  } catch {
    return false
  }
}

/** Stops what is left, unless the owner named by the guard lives: it may be busy, frozen or out of connections. */
async function stopRemains(remains: Remains, { directory, logger }: SettleOptions): Promise<void> {
  const owner = readGuardOwner(directory.path)
  if (owner !== null && isOwnerAlive(owner)) throw locked(directory, owner.pid)
  if (!hasProcFs) {
    // Without /proc the pid may by now belong to any program, and must not be signalled.
    throw new EmbeddedPostgresStartError(
      `expected no server on ${directory.path}, got one that does not answer (process ${remains.file?.pid})`,
      { hint: 'End that process if it is a PostgreSQL server; otherwise remove postgres/postmaster.pid.' },
    )
  }
  logger.warn(
    { pids: remains.processes.map((state) => state.pid), dataDir: directory.path },
    'stopping what a crashed owner left of the embedded PostgreSQL',
  )
  if (remains.postmaster !== null) await stopServer(remains.postmaster, stopLimits)
  else for (const state of remains.processes) signalProcess(state, 'SIGKILL')
}

function clearLeftFiles(directory: DataDirectory, { file }: Remains): void {
  removeGuards(directory.path)
  removeLeftRuntimeDirectories(directory)
  // PostgreSQL takes a zombie, or a process that was given the same pid, for the old server, and would not start. One that
  // shut down in this very moment has removed its file itself.
  if (file !== null && hasProcFs && pidExists(file.pid)) {
    rmSync(join(directory.clusterDir, 'postmaster.pid'), { force: true })
  }
}

function locked(directory: DataDirectory, pid: number | null): DataDirectoryLockedError {
  return new DataDirectoryLockedError(
    `expected the data directory ${directory.path} to be free, got one in use by process ${pid ?? '(unknown)'}`,
    {
      hint: 'Stop the other process, or let TIDEMARK_DATA_DIR name another directory.',
      details: { pid, dataDir: directory.path },
    },
  )
}
