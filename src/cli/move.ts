import { maskUrl } from '../config/mask-url.js'
import { ConfigurationError, moveDatabase, undoMove } from '../index.js'
import type { Config, MoveReport } from '../index.js'
import { databaseText } from './database-text.js'
import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { loadSettings } from './load-settings.js'
import type { SettingsOptions } from './load-settings.js'
import { reportJson } from './print-report.js'
import { TransferProgressBar } from './transfer-progress-bar.js'
import { untilSignal } from './until-signal.js'

export interface MoveCommandOptions extends SettingsOptions {
  readonly to?: string | undefined
  readonly undo?: boolean | undefined
  readonly json?: boolean | undefined
}

/** `tidemark move`: carries everything to another PostgreSQL server, or gives that up. */
export async function move(options: MoveCommandOptions): Promise<ExitCode> {
  const { config, logger } = await loadSettings({ logLevel: 'warn', ...options })
  if (options.undo === true) return undo(options, config)
  const to = requireTarget(options.to)
  const closing = new AbortController()
  void untilSignal().then(() => closing.abort())
  const progress = new TransferProgressBar()
  try {
    const report = await moveDatabase(
      config,
      {
        to,
        sourceName: databaseText(config),
        targetName: maskUrl(to),
        signal: closing.signal,
        onProgress: (state) => progress.update(state),
      },
      logger,
    )
    progress.end()
    if (options.json === true) console.log(reportJson({ ...report, to: maskUrl(to) }))
    tell(report, config, maskUrl(to))
    return exitCodes.ok
  } catch (error) {
    progress.end()
    if (!closing.signal.aborted) throw error
    console.error('Stopped. What has arrived stays there, and the source is closed for writing: run the same command')
    console.error('again to go on, or `tidemark move --undo` to stay with the source.')
    return exitCodes.partial
  }
}

async function undo(options: MoveCommandOptions, config: Config): Promise<ExitCode> {
  if (options.to !== undefined) throw new ConfigurationError('--undo: expected it without --to, got both')
  const undone = await undoMove(config, databaseText(config))
  if (options.json === true) console.log(JSON.stringify({ undone }))
  console.error(
    undone
      ? `${databaseText(config)} takes writes again. Its event log has a new name: viewers read the state anew.`
      : `${databaseText(config)} was not moved: there is nothing to undo.`,
  )
  return exitCodes.ok
}

function requireTarget(to: string | undefined): string {
  if (to !== undefined && /^postgres(ql)?:\/\//.test(to)) return to
  throw new ConfigurationError(
    `--to: expected the address of a PostgreSQL server such as postgresql://user:password@host/database, got ${to === undefined ? 'nothing' : maskUrl(to)}`,
  )
}

function tell(report: MoveReport, config: Config, target: string): void {
  const rows = report.tables.reduce((sum, table) => sum + table.rows, 0n)
  console.error(
    report.tables.length === 0
      ? `Everything had arrived at ${target} before; the source knows it now, too.`
      : `${rows.toLocaleString('en-US')} rows of ${report.tables.length} tables are at ${target}: counted and compared, both sides agree.`,
  )
  console.error(`Set DATABASE_URL to the address you gave (${target}) and start the service.`)
  console.error(
    config.databaseUrl === null
      ? `${config.dataDir} takes no writes any more. Keep it as a backup, or remove it when you are sure.`
      : 'The old database takes no writes any more. Keep it as a backup, or remove it when you are sure.',
  )
}
