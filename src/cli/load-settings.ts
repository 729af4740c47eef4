import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { loadConfig } from '../config/load-config.js'
import type { Config } from '../config/config.js'
import { ConfigurationError } from '../index.js'
import type { Logger } from '../index.js'
import { createLogger } from './create-logger.js'

export interface Settings {
  readonly config: Config
  readonly logger: Logger
  /** What the reading of the configuration warned of. */
  readonly warnings: readonly string[]
}

export interface SettingsOptions {
  /** A configuration file named on the command line. */
  readonly config?: string | undefined
  readonly logLevel?: string | undefined
}

/**
 * Reads the configuration as every command does: a `.env` file in the working directory fills in what the environment
 * leaves open, then file and environment are merged.
 */
export async function loadSettings(options: SettingsOptions = {}): Promise<Settings> {
  readEnvFile()
  const cwd = process.cwd()
  const env = { ...process.env, ...(options.logLevel === undefined ? {} : { LOG_LEVEL: options.logLevel }) }
  const { config, warnings, source } = await loadConfig({ env, cwd, file: options.config })
  const logger = createLogger(config.logLevel)
  if (source !== null) logger.info({ source }, 'configuration file read')
  for (const warning of warnings) logger.warn({}, warning)
  return { config, logger, warnings }
}

/** Takes over what a `.env` file in the working directory says and the environment leaves open. */
export function readEnvFile(): void {
  const path = join(process.cwd(), '.env')
  if (!existsSync(path)) return
  try {
    process.loadEnvFile(path)
  } catch (error) {
    throw new ConfigurationError(`.env: expected a readable file of NAME=value lines, got ${path}`, {
      cause: error,
      hint: 'Correct the file, or remove it.',
    })
  }
}
