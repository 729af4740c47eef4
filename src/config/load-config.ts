import { isAbsolute, relative, resolve } from 'node:path'
import type { Config } from './config.js'
import { findConfigFile } from './find-config-file.js'
import { loadConfigFile } from './load-config-file.js'
import type { Environment } from './read-environment.js'
import { resolveConfig } from './resolve-config.js'

export interface LoadConfigOptions {
  readonly env: Environment
  /** Directory to look for `tidemark.config.*` in, and that relative paths start at. */
  readonly cwd: string
  /** The file that `--config` names; without it TIDEMARK_CONFIG, else the one in `cwd`, else none. */
  readonly file?: string | undefined
}

export interface LoadedConfig {
  readonly config: Config
  /** Sentences for the operator; nothing in them is secret. */
  readonly warnings: string[]
  /** Absolute path of the configuration file that was read. */
  readonly source: string | null
}

/**
 * Reads the configuration file, if there is one, and the environment, which wins for each setting.
 *
 * @throws ConfigurationError with every problem that was found
 */
export async function loadConfig({ env, cwd, file }: LoadConfigOptions): Promise<LoadedConfig> {
  const directory = resolve(cwd)
  const found = await findConfigFile({ cwd: directory, file, variable: env['TIDEMARK_CONFIG'] })
  const { path } = found
  if (path === null) return { ...resolveConfig({ env, cwd: directory }), source: null }
  const name = displayPath(path, directory)
  const value = await loadConfigFile({ path, name })
  const { config, warnings } = resolveConfig({ env, cwd: directory, file: { name, path, value } })
  return { config, warnings: [...found.warnings, ...warnings], source: path }
}

function displayPath(path: string, directory: string): string {
  const below = relative(directory, path)
  return below.startsWith('..') || isAbsolute(below) ? path : below
}
