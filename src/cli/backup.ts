import { backupDatabase } from '../index.js'
import { databaseText } from './database-text.js'
import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { loadSettings } from './load-settings.js'
import type { SettingsOptions } from './load-settings.js'
import { reportJson } from './print-report.js'
import { TransferProgressBar } from './transfer-progress-bar.js'
import { untilSignal } from './until-signal.js'

export interface BackupCommandOptions extends SettingsOptions {
  readonly to: string
  readonly json?: boolean | undefined
}

/** `tidemark backup`: writes everything into one file, as it was at one moment. */
export async function backup(options: BackupCommandOptions): Promise<ExitCode> {
  const { config, logger } = await loadSettings({ logLevel: 'warn', ...options })
  const closing = new AbortController()
  void untilSignal().then(() => closing.abort())
  const progress = new TransferProgressBar()
  try {
    const report = await backupDatabase(
      config,
      { to: options.to, signal: closing.signal, onProgress: (state) => progress.update(state) },
      logger,
    )
    progress.end()
    const rows = report.tables.reduce((sum, table) => sum + table.rows, 0n)
    if (options.json === true) console.log(reportJson(report))
    else console.log(report.file)
    console.error(
      `${rows.toLocaleString('en-US')} rows of ${databaseText(config)}, up to event ${report.seq}, are in it: ${sizeText(report.bytes)}.`,
    )
    console.error('The settings are not in it, and of API keys only the hashes.')
    return exitCodes.ok
  } catch (error) {
    progress.end()
    if (!closing.signal.aborted) throw error
    console.error('Stopped. No file was left.')
    return exitCodes.partial
  }
}

function sizeText(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}
