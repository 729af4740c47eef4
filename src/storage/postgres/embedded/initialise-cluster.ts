import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { DataDirectory } from './data-directory.js'
import { EmbeddedPostgresStartError } from './embedded-errors.js'
import { chooseInitdbUser } from './initdb-user.js'
import type { InitdbUser } from './initdb-user.js'
import { serverUserName } from './ownership-lock.js'
import type { ServerBinaries } from './prepare-binaries.js'
import { hasProcFs, readProcess } from './process-state.js'
import { giveTo, giveTreeTo } from './server-user.js'
import type { Watchdog } from './start-watchdog.js'

const partialPrefix = 'postgres.init-'
const timeoutMs = 120_000
const outputLimitChars = 4_000

/**
 * The `-D` argument for a program whose working directory is the cluster. The link resolves without passing through the
 * directory's ancestors, which may be closed to the server's user.
 */
export function clusterArgument(clusterDir: string): string {
  return hasProcFs ? '/proc/self/cwd' : clusterDir
}

/** Creates the cluster unless it exists, and says whether it did. A crash in the middle leaves no half cluster. */
export async function initialiseCluster(options: {
  directory: DataDirectory
  binaries: ServerBinaries
  watchdog: Watchdog
  signal: AbortSignal
}): Promise<boolean> {
  const { directory } = options
  removePartialClusters(directory.path)
  if (existsSync(directory.clusterDir)) return false
  const partialDir = join(directory.path, partialPrefix + randomBytes(4).toString('hex'))
  mkdirSync(partialDir, { mode: 0o700 })
  try {
    const runAs = chooseInitdbUser(directory.user)
    giveTo(partialDir, runAs.user)
    await runInitdb({ ...options, partialDir, runAs })
    giveTreeTo(partialDir, directory.user)
    renameSync(partialDir, directory.clusterDir)
    await syncDirectory(directory.path)
    return true
  } catch (error) {
    removePartialClusters(directory.path)
    throw error
  }
}

/** Removes what a first start left that was cut short; to be called only while no process of the directory lives. */
function removePartialClusters(dataDir: string): void {
  for (const name of readdirSync(dataDir)) {
    if (name.startsWith(partialPrefix)) rmSync(join(dataDir, name), { recursive: true, force: true, maxRetries: 3 })
  }
}

async function runInitdb(options: {
  directory: DataDirectory
  binaries: ServerBinaries
  watchdog: Watchdog
  signal: AbortSignal
  partialDir: string
  runAs: InitdbUser
}): Promise<void> {
  const { binaries, directory, partialDir, runAs } = options
  const args = ['-D', clusterArgument(partialDir), '-E', 'UTF8', '--no-locale', '-A', 'trust', '-U', serverUserName]
  // The cluster's name makes the process recognisable where its working directory may not be read.
  const [command = '', ...commandArgs] = [...runAs.prefix, binaries.initdb, ...args]
  const child = spawn(command, [...commandArgs, '-c', `cluster_name=${directory.token}`], {
    cwd: partialDir,
    env: binaries.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    ...runAs.user,
  })
  let output = ''
  const keep = (chunk: Buffer): void => void (output = (output + chunk.toString()).slice(-outputLimitChars))
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  // Its group: it runs the server's program in a child of its own.
  const kill = (): void => killGroup(child.pid)
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(timeoutMs)])
  const exited = once(child, 'close')
  const state = child.pid === undefined ? null : readProcess(child.pid)
  if (state !== null) options.watchdog.guard({ ...state, executable: null })
  try {
    signal.addEventListener('abort', kill, { once: true })
    if (signal.aborted) kill()
    await exited
  } catch (cause) {
    throw initdbFailed(String(cause), cause)
  } finally {
    signal.removeEventListener('abort', kill)
  }
  options.signal.throwIfAborted()
  if (child.exitCode !== 0) throw initdbFailed(`code ${child.exitCode ?? child.signalCode}: ${output.trim()}`)
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

function initdbFailed(reason: string, cause?: unknown): EmbeddedPostgresStartError {
  const nameless = /unshare|effective user ID/.test(reason)
  return new EmbeddedPostgresStartError(`expected initdb to create the database, got ${reason}`, {
    cause,
    hint: nameless
      ? 'PostgreSQL needs a uid that has a name in /etc/passwd: run as such a user, or set DATABASE_URL.'
      : 'Check that the disk of TIDEMARK_DATA_DIR has room and can be written, or set DATABASE_URL.',
  })
}

/** Makes the rename itself survive a power cut. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
