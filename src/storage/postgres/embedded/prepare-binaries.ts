import { execFile } from 'node:child_process'
import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Logger } from '../../../model/logger.js'
import { copyBinaries } from './copy-binaries.js'
import type { DataDirectory } from './data-directory.js'
import { EmbeddedPostgresUnavailableError } from './embedded-errors.js'
import { useServerHint } from './locate-binaries.js'
import { canEnter } from './server-user.js'
import type { ServerUser } from './server-user.js'

const probeTimeoutMs = 10_000

/** Binaries that the server's user can run. */
export interface ServerBinaries {
  readonly postgres: string
  readonly initdb: string
  readonly majorVersion: string
  /** The whole environment of the server's processes: nothing else is inherited, no PG* variable above all. */
  readonly env: NodeJS.ProcessEnv
}

/**
 * Makes the binaries of the platform package runnable without its install script and without writing into it: the links
 * between libraries are made in `runtimeDir`, and the files are copied where the server's user cannot reach them.
 */
export async function prepareBinaries(options: {
  nativeDir: string
  runtimeDir: string
  directory: DataDirectory
  logger: Logger
}): Promise<ServerBinaries> {
  const { nativeDir, runtimeDir, directory } = options
  const linkDir = join(runtimeDir, 'lib')
  // macOS drops the library path for programs that a shell starts, so links beside the libraries are needed there.
  const direct = process.platform === 'linux' ? await tryBinaries({ nativeDir, linkDir, user: directory.user }) : null
  if (direct?.kind === 'ready') return direct.binaries
  if (direct?.kind === 'failed' && !direct.copyMayHelp) throw cannotRun(nativeDir, direct)
  const parent = canEnter(directory.path, directory.user) ? directory.path : runtimeDir
  options.logger.info({ nativeDir, parent }, 'copying the PostgreSQL binaries: their place is closed to its user')
  const copyDir = await copyBinaries(nativeDir, parent)
  linkLibraries(copyDir, join(copyDir, 'lib'))
  const copied = await tryBinaries({ nativeDir: copyDir, linkDir, user: directory.user })
  if (copied.kind === 'ready') return copied.binaries
  throw cannotRun(nativeDir, copied)
}

function cannotRun(nativeDir: string, trial: { reason: string; cause: unknown }): EmbeddedPostgresUnavailableError {
  return new EmbeddedPostgresUnavailableError(`expected the embedded PostgreSQL to run here, got: ${trial.reason}`, {
    hint: useServerHint,
    cause: trial.cause,
    details: { nativeDir },
  })
}

type Trial =
  | { readonly kind: 'ready'; readonly binaries: ServerBinaries }
  | { readonly kind: 'failed'; readonly reason: string; readonly cause: unknown; readonly copyMayHelp: boolean }

/** Runs `postgres -V` as the server's user: only that tells for sure whether paths, libraries and libc fit. */
async function tryBinaries(options: { nativeDir: string; linkDir: string; user: ServerUser }): Promise<Trial> {
  const { nativeDir, linkDir, user } = options
  linkLibraries(nativeDir, linkDir)
  const postgres = join(nativeDir, 'bin', 'postgres')
  const env = serverEnvironment([linkDir, join(nativeDir, 'lib')])
  return await new Promise((resolve) => {
    const spawnOptions = { env, cwd: '/', timeout: probeTimeoutMs, killSignal: 'SIGKILL', ...user } as const
    try {
      execFile(postgres, ['-V'], spawnOptions, (cause, stdout, stderr) => {
        const majorVersion = /(\d+)[.\d\w]*\s*$/.exec(stdout)?.[1]
        if (cause === null && majorVersion !== undefined) {
          resolve({
            kind: 'ready',
            binaries: { postgres, initdb: join(nativeDir, 'bin', 'initdb'), majorVersion, env },
          })
        } else {
          resolve(failedTrial(cause, stderr.trim() || cause?.message || `version "${stdout}"`))
        }
      })
    } catch (cause) {
      resolve(failedTrial(cause, String(cause)))
    }
  })
}

/** Only a closed path or an unreadable library is cured by a copy; a foreign libc (ENOENT) or a forbidden uid (EPERM) is not. */
function failedTrial(cause: unknown, reason: string): Trial {
  const code = cause instanceof Error && 'code' in cause ? cause.code : null
  return { kind: 'failed', reason, cause, copyMayHelp: typeof code !== 'string' || code === 'EACCES' }
}

/** Makes the links that the package lists for its install script; the list's paths begin with `native/`. */
function linkLibraries(nativeDir: string, linkDir: string): void {
  for (const { source, target } of readLinkList(join(nativeDir, 'pg-symlinks.json'))) {
    const link = join(linkDir, basename(target))
    const library = join(nativeDir, source.replace(/^native\//, ''))
    if (!existsSync(link)) symlinkSync(linkDir === join(nativeDir, 'lib') ? basename(library) : library, link)
  }
}

/** Reads the list of links; a package without one needs none. */
export function readLinkList(path: string): { source: string; target: string }[] {
  if (!existsSync(path)) return []
  const list: unknown = JSON.parse(readFileSync(path, 'utf8'))
  return Array.isArray(list) ? list.filter(isLink) : []
}

function isLink(value: unknown): value is { source: string; target: string } {
  if (typeof value !== 'object' || value === null || !('source' in value) || !('target' in value)) return false
  return typeof value.source === 'string' && typeof value.target === 'string'
}

function serverEnvironment(libraryDirs: readonly string[]): NodeJS.ProcessEnv {
  const variable = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH'
  const inherited = process.env[variable]
  // Ours first: a host's other version of a library must not win.
  const path = [...libraryDirs, ...(inherited === undefined || inherited === '' ? [] : [inherited])].join(':')
  return { PATH: process.env['PATH'], LC_ALL: 'C', [variable]: path }
}
