import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { AnvilError } from './errors.js'

const architectureNames: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/**
 * Where the anvil program of this platform lies. It is carried by an optional dependency of `@foundry-rs/anvil`, which
 * needs no install script: the program is started from inside that package.
 */
export function anvilBinary(platform: string = process.platform, arch: string = process.arch): string {
  const packageName = `@foundry-rs/anvil-${platform}-${architectureNames[arch] ?? arch}`
  try {
    const tool = createRequire(import.meta.url).resolve('@foundry-rs/anvil/package.json')
    // Resolved from the tool's own place: a package manager may keep its dependencies out of our reach.
    const manifest = createRequire(tool).resolve(`${packageName}/package.json`)
    return join(dirname(manifest), 'bin', platform === 'win32' ? 'anvil.exe' : 'anvil')
  } catch (cause) {
    throw new AnvilError(`expected the npm package ${packageName}, got none installed`, {
      cause,
      hint: 'Install @foundry-rs/anvil with its optional dependencies (without --omit=optional) on a supported platform.',
    })
  }
}
