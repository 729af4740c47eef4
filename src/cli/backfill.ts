import { openHistory } from '../index.js'
import type { FillReport } from '../index.js'
import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { loadSettings } from './load-settings.js'
import type { SettingsOptions } from './load-settings.js'
import { printReport, reportJson } from './print-report.js'
import { Progress } from './progress.js'
import { readSelection } from './read-selection.js'
import type { SelectionOptions } from './read-selection.js'
import { untilSignal } from './until-signal.js'

export interface BackfillCommandOptions extends SettingsOptions, SelectionOptions {
  readonly json?: boolean | undefined
}

/** `tidemark backfill`: fills in history that was missed, as far back as the endpoints can serve it. */
export async function backfill(options: BackfillCommandOptions): Promise<ExitCode> {
  const { config, logger } = await loadSettings({ logLevel: 'warn', ...options })
  const selection = readSelection(options, config)
  const closing = new AbortController()
  void untilSignal().then(() => closing.abort())
  await using history = await openHistory(config, logger)
  const progress = new Progress({ title: 'filling in history', unit: 'blocks' })
  try {
    const reports = await history.keeper.backfill({
      ...selection,
      signal: closing.signal,
      onProgress: ({ name, done, total, records }) =>
        progress.update({ done: Number(done), total: Number(total), note: `${name}, ${records} records` }),
    })
    progress.end()
    if (options.json === true) console.log(reportJson(reports))
    else for (const report of reports) printReport(report.name, lines(report))
    const partial = reports.some((report) => report.unreadable.size > 0 || report.sampled > 0)
    return partial ? exitCodes.partial : exitCodes.ok
  } catch (error) {
    progress.end()
    if (!closing.signal.aborted) throw error
    console.error('Stopped. What was filled in stays; the next run goes on from there.')
    return exitCodes.partial
  }
}

function lines(report: FillReport): string[] {
  if (report.blocks === 0n) return ['Nothing was missing.']
  return [
    `${report.blocks} blocks were searched for ${report.positions} positions; ${report.records} records were written.`,
    ...(report.sampled === 0
      ? []
      : [`${report.sampled} positions are only sampled in part: nothing proves that every change was found.`]),
    ...(report.accruing === 0 ? [] : [`${report.accruing} positions grow by themselves; their past is not searched.`]),
    ...[...report.unreadable].map(([position, reason]) => `Not readable: ${position}: ${reason}`),
  ]
}
