import { migrateDatabase } from '../index.js'
import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { loadSettings } from './load-settings.js'
import type { SettingsOptions } from './load-settings.js'

export interface MigrateOptions extends SettingsOptions {
  readonly json?: boolean | undefined
}

/** `tidemark migrate`: brings the database schema up to this version. */
export async function migrateCommand(options: MigrateOptions): Promise<ExitCode> {
  const { config, logger } = await loadSettings(options)
  const { applied, version } = await migrateDatabase(config, logger)
  if (options.json === true) console.log(JSON.stringify({ applied, version }))
  else if (applied.length === 0) console.log(`The schema is up to date (version ${version}).`)
  else console.log(`Applied ${applied.join(', ')}. The schema is at version ${version}.`)
  return exitCodes.ok
}
