import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { ConfigurationError } from '../../../model/errors.js'
import type { DataDirectory } from './data-directory.js'
import { canEnter, giveTo } from './server-user.js'

/** The port is only a part of the socket's name: nothing listens on TCP. */
export const serverPort = 5432

// sun_path holds 108 bytes on Linux and 104 on macOS, the closing zero included.
const socketPathLimitBytes = process.platform === 'darwin' ? 103 : 107

/** Creates the short private directory that holds the socket and the links to libraries. */
export function createRuntimeDirectory(directory: DataDirectory): string {
  const base = realpathSync(tmpdir())
  const sample = join(base, `${namePrefix(directory)}XXXXXX`, `.s.PGSQL.${serverPort}`)
  const lengthBytes = Buffer.byteLength(sample)
  if (lengthBytes > socketPathLimitBytes) {
    throw new ConfigurationError(
      `expected a socket path of at most ${socketPathLimitBytes} bytes, got ${lengthBytes} bytes for ${sample}`,
      { hint: 'Let TMPDIR name a directory with a shorter path.', details: { setting: 'TMPDIR' } },
    )
  }
  if (!canEnter(base, directory.user)) {
    throw new ConfigurationError(
      `expected a temporary directory that uid ${directory.user.uid} can enter, got ${base}, which is closed to it`,
      { hint: 'Let TMPDIR name a directory open to every user, such as /tmp.', details: { setting: 'TMPDIR' } },
    )
  }
  const path = mkdtempSync(join(base, namePrefix(directory)))
  mkdirSync(join(path, 'lib'))
  giveTo(join(path, 'lib'), directory.user)
  giveTo(path, directory.user)
  return path
}

/** True for a directory that createRuntimeDirectory made for this data directory: only such a one may be removed. */
export function isRuntimeDirectory(path: string, directory: DataDirectory): boolean {
  return basename(path).startsWith(namePrefix(directory))
}

/** Removes what crashed owners of the same data directory left; to be called only while none of them can live. */
export function removeLeftRuntimeDirectories(directory: DataDirectory): void {
  const base = tmpdir()
  for (const name of readdirSync(base)) {
    if (name.startsWith(namePrefix(directory))) removeRuntimeDirectory(join(base, name))
  }
}

/** Removes one runtime directory; one of another user stays. */
export function removeRuntimeDirectory(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true, maxRetries: 2 })
  } catch {
    // In a shared temporary directory a stranger may have taken a name of this form: not ours to remove.
  }
}

function namePrefix(directory: DataDirectory): string {
  return `tm-${directory.hash}-`
}
