import { openHistory, toChecksumAddress, formatToken } from '../index.js'
import type { HistorySelection, OpenHistory, ProofReport, VerifyReport } from '../index.js'
import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { loadSettings } from './load-settings.js'
import type { SettingsOptions } from './load-settings.js'
import { printReport, reportJson } from './print-report.js'
import { Progress } from './progress.js'
import { readCount, readSelection } from './read-selection.js'
import type { SelectionOptions } from './read-selection.js'
import { untilSignal } from './until-signal.js'

export interface VerifyCommandOptions extends SettingsOptions, SelectionOptions {
  readonly sample?: string | undefined
  readonly dryRun?: boolean | undefined
  readonly proof?: boolean | undefined
  readonly json?: boolean | undefined
}

interface Run extends HistorySelection {
  readonly sample: number | undefined
  readonly dryRun: boolean
}

/** `tidemark verify`: searches history again, compares it with the records, and repairs what differs. */
export async function verify(options: VerifyCommandOptions): Promise<ExitCode> {
  const { config, logger } = await loadSettings({ logLevel: 'warn', ...options })
  const closing = new AbortController()
  void untilSignal().then(() => closing.abort())
  const run: Run = {
    ...readSelection(options, config),
    sample: options.sample === undefined ? undefined : readCount('--sample', options.sample),
    dryRun: options.dryRun ?? false,
    signal: closing.signal,
  }
  await using history = await openHistory(config, logger)
  try {
    return options.proof === true ? await prove(history, run, options) : await compare(history, run, options)
  } catch (error) {
    if (!closing.signal.aborted) throw error
    console.error('Stopped.')
    return exitCodes.partial
  }
}

async function compare(history: OpenHistory, run: Run, { json }: VerifyCommandOptions): Promise<ExitCode> {
  const progress = new Progress({ title: 'checking history', unit: 'blocks' })
  let reports: readonly VerifyReport[]
  try {
    reports = await history.keeper.verify({
      ...run,
      onProgress: ({ name, done, total, differences }) =>
        progress.update({ done: Number(done), total: Number(total), note: `${name}, ${differences} differences` }),
    })
  } finally {
    progress.end()
  }
  if (json === true) console.log(reportJson(reports))
  else for (const report of reports) printReport(report.name, comparedLines(report, run))
  if (reports.some((report) => report.missing + report.wrong + report.extra > 0)) return exitCodes.checkFailed
  return reports.some((report) => report.unreadable.size + report.unproven > 0) ? exitCodes.partial : exitCodes.ok
}

async function prove(history: OpenHistory, run: Run, { json }: VerifyCommandOptions): Promise<ExitCode> {
  const progress = new Progress({ title: 'proving native balances', unit: 'wallets' })
  let reports: readonly ProofReport[]
  try {
    reports = await history.keeper.prove({
      ...run,
      onProgress: ({ name, done, total, proven }) =>
        progress.update({ done, total, note: `${name}, ${proven} proven` }),
    })
  } finally {
    progress.end()
  }
  if (json === true) console.log(reportJson(reports))
  else for (const report of reports) printReport(report.name, provenLines(report))
  if (reports.some((report) => report.contradicted > 0)) return exitCodes.checkFailed
  return reports.some((report) => report.unprovable.size > 0) ? exitCodes.partial : exitCodes.ok
}

function comparedLines(report: VerifyReport, { dryRun }: Run): string[] {
  const found = report.missing + report.wrong + report.extra
  return [
    `${report.records} records of ${report.positions} positions were compared with the chain.`,
    found === 0
      ? soundText(report)
      : `${report.wrong} wrong, ${report.missing} missing, ${report.extra} too many; ${dryRun ? 'nothing was changed' : `${report.repaired} differences put right, each one noted`}.`,
    ...report.differences.map(
      ({ position, block, stored, found: right }) =>
        `block ${block.number}, ${formatToken(position.token)} of ${toChecksumAddress(position.solver)}: stored ${stored ?? 'nothing'}, the chain says ${right ?? 'no change'}`,
    ),
    ...(report.unproven === 0
      ? []
      : [`${report.unproven} positions: nothing proves that the search found every change.`]),
    ...[...report.unreadable].map(([position, reason]) => `Not readable: ${position}: ${reason}`),
  ]
}

/** Nothing is called right that was not looked at. */
function soundText({ checked, unreadable, unproven }: VerifyReport): string {
  if (checked === 0n) return 'There was nothing to check: no block of these positions is known exactly.'
  return unreadable.size + unproven === 0
    ? 'All of them are right, and none is missing.'
    : 'No difference was found, but not everything could be checked.'
}

function provenLines(report: ProofReport): string[] {
  return [
    `${report.proven} native balances of ${report.positions} wallets are proven by their blocks’ hashes.`,
    ...report.contradictions.map(
      ({ position, block, stored, proven, reason }) =>
        `block ${block.number}, ${toChecksumAddress(position.solver)}: stored ${stored}, proven ${proven ?? 'nothing'}: ${reason}`,
    ),
    ...[...report.unprovable].map(([reason, count]) => `${count} could not be proven: ${reason}`),
  ]
}
