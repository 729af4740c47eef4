import { restoreDatabase } from '../index.js'
import { databaseText } from './database-text.js'
import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { loadSettings } from './load-settings.js'
import type { SettingsOptions } from './load-settings.js'
import { reportJson } from './print-report.js'
import { TransferProgressBar } from './transfer-progress-bar.js'
import { untilSignal } from './until-signal.js'

export interface RestoreCommandOptions extends SettingsOptions {
  readonly from: string
  readonly json?: boolean | undefined
}

/** `tidemark restore`: fills an empty database from a backup, wholly or not at all. */
export async function restore(options: RestoreCommandOptions): Promise<ExitCode> {
  const { config, logger } = await loadSettings({ logLevel: 'warn', ...options })
  const closing = new AbortController()
  void untilSignal().then(() => closing.abort())
  const progress = new TransferProgressBar()
  const targetName = databaseText(config)
  try {
    const report = await restoreDatabase(
      config,
      { from: options.from, targetName, signal: closing.signal, onProgress: (state) => progress.update(state) },
      logger,
    )
    progress.end()
    const rows = report.tables.reduce((sum, table) => sum + table.rows, 0n)
    if (options.json === true) console.log(reportJson(report))
    console.error(
      `${rows.toLocaleString('en-US')} rows are in ${targetName}: its state of ${report.createdAt}, up to event ${report.seq}.`,
    )
    console.error(
      'The event log has a new name: viewers read the state anew. Start the service; it closes the gap since.',
    )
    return exitCodes.ok
  } catch (error) {
    progress.end()
    if (!closing.signal.aborted) throw error
    console.error('Stopped. Nothing was written to the database.')
    return exitCodes.partial
  }
}
