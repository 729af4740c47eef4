import type { WireBalanceStats } from '../client/index.js'
import { ConfigurationError, formatAmount } from '../index.js'
import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { signed, timeText } from './history-lines.js'
import { chooseSource } from './source/choose-source.js'
import type { SourceOptions } from './source/choose-source.js'
import { readDirectory } from './source/directory.js'
import type { NamesGiven } from './source/find-by-name.js'
import { findPosition } from './source/find-position.js'
import { readTime } from './source/read-when.js'
import { readToken } from './source/token-metadata.js'
import type { TokenShown } from './source/token-metadata.js'
import { grouped } from './terminal/amount-text.js'
import { Output } from './terminal/output.js'
import { chainName, tokenName, walletName } from './terminal/position-names.js'
import { span } from './terminal/styled-line.js'
import { layOutTable } from './terminal/table.js'

export interface StatsOptions extends SourceOptions {
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly json?: boolean | undefined
}

/** `tidemark stats`: what one position did between two times. */
export async function stats(given: NamesGiven, options: StatsOptions): Promise<ExitCode> {
  const bounds = readBounds(options)
  await using source = await chooseSource(options)
  const position = await findPosition(await readDirectory(source), given)
  const answer = await source.stats(position, bounds)
  const output = new Output()
  if (options.json === true) {
    await output.writeJson(answer)
  } else {
    const token = await readToken(source, position)
    const wallet = walletName({ label: position.label, solverAddress: position.solver })
    const name = tokenName({ symbol: token.symbol, tokenAddress: position.token })
    await output.writeLines([[span(`${wallet} ${name} on ${chainName(position.chain.name)}`, 'title')], []])
    const rows = linesOf(answer, token)
    const [, ...lines] = layOutTable({ columns, rows, width: output.width })
    await output.writeLines(lines)
  }
  return tellUnknown(answer, { records: answer.totalRecords, isKnown: answer.latestBalance !== null })
}

/** @throws {ConfigurationError} */
export function readBounds({ from, to }: Pick<StatsOptions, 'from' | 'to'>): { from?: Date; to?: Date } {
  const bounds = {
    ...(from === undefined ? {} : { from: readTime('--from', from) }),
    ...(to === undefined ? {} : { to: readTime('--to', to) }),
  }
  if (bounds.from !== undefined && bounds.to !== undefined && bounds.from > bounds.to) {
    throw new ConfigurationError('--from: expected a time that is not after --to')
  }
  return bounds
}

interface StatLine {
  readonly name: string
  readonly value: string
}

const columns = [
  { heading: '', align: 'left', cell: ({ name }: StatLine) => span(name, 'quiet') },
  { heading: '', align: 'left', cell: ({ value }: StatLine) => span(value) },
] as const

const unknown = 'unknown'

function linesOf(answer: WireBalanceStats, { symbol, decimals }: TokenShown): StatLine[] {
  const unit = symbol ?? ''
  const amount = (units: string | null): string =>
    units === null ? unknown : `${formatAmount(BigInt(units), decimals)} ${unit}`.trimEnd()
  const change = (units: string | null): string =>
    units === null ? unknown : `${signed(BigInt(units), decimals)} ${unit}`.trimEnd()
  const { balanceChange24h: day, balanceChangePercent24h: percent } = answer
  return [
    { name: 'from', value: timeText(answer.from) },
    { name: 'to', value: timeText(answer.to) },
    { name: 'records', value: grouped(BigInt(answer.totalRecords)) },
    { name: 'first', value: amount(answer.oldestBalance) },
    { name: 'latest', value: amount(answer.latestBalance) },
    { name: 'lowest', value: amount(answer.minBalance) },
    { name: 'highest', value: amount(answer.maxBalance) },
    { name: 'average', value: amount(answer.averageBalance) },
    { name: 'change', value: change(answer.change) },
    { name: 'in 24 hours', value: `${change(day)}${percent === null ? '' : ` (${percent} %)`}` },
    { name: 'came in', value: amount(answer.inflow) },
    { name: 'went out', value: amount(answer.outflow) },
    { name: 'burnt per hour', value: amount(answer.burnRatePerHour) },
    { name: 'empty at', value: answer.emptyAt === null ? '–' : timeText(answer.emptyAt) },
  ]
}

/** What is known of a time. */
interface KnownTime {
  readonly from: string
  readonly to: string
  readonly coverage: readonly { readonly from: string; readonly to: string; readonly kind: string }[]
}

/** Says how much of the time is not known exactly: there, changes may be missing. */
export function tellUnknown(
  { from, to, coverage }: KnownTime,
  { records, isKnown }: { readonly records: number; readonly isKnown: boolean },
): ExitCode {
  if (!isKnown) {
    console.error('No balance was known by then.')
    return exitCodes.partial
  }
  if (records === 0) console.error('No record of that time.')
  const exactMs = coverage
    .filter(({ kind }) => kind === 'exact')
    .reduce((sum, part) => sum + Date.parse(part.to) - Date.parse(part.from), 0)
  const wholeMs = Date.parse(to) - Date.parse(from)
  if (wholeMs <= exactMs) return exitCodes.ok
  const percent = Math.floor((exactMs / wholeMs) * 100)
  console.error(`Only ${percent} % of that time is known exactly: the rest was sampled, or nobody watched.`)
  return exitCodes.partial
}
