import type { WireBalanceRecord } from '../client/index.js'
import { ConfigurationError } from '../index.js'
import type { ExitCode } from './exit-code.js'
import { tellGaps } from './history-gaps.js'
import { csvHeading, csvRecord, historyColumns } from './history-lines.js'
import { readPoints, seriesColumns, seriesHeading, seriesLine } from './history-series.js'
import { readCount } from './read-selection.js'
import { chooseSource } from './source/choose-source.js'
import type { SourceOptions } from './source/choose-source.js'
import { readDirectory } from './source/directory.js'
import type { NamesGiven } from './source/find-by-name.js'
import { findPosition } from './source/find-position.js'
import { readRange } from './source/read-when.js'
import { readToken } from './source/token-metadata.js'
import { readBounds, tellUnknown } from './stats.js'
import { jsonText, Output } from './terminal/output.js'
import { layOutTable } from './terminal/table.js'

export interface HistoryOptions extends SourceOptions {
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly limit?: string | undefined
  readonly all?: boolean | undefined
  readonly points?: string | undefined
  readonly exact?: boolean | undefined
  readonly json?: boolean | undefined
  readonly csv?: boolean | undefined
}

/** Records shown unless told. */
const LIMIT_DEFAULT = 20
/** Records of a long table whose columns are fitted to each other. */
const TABLE_ROWS = 200

/** `tidemark history`: the records of one position, newest first. */
export async function history(given: NamesGiven, options: HistoryOptions): Promise<ExitCode> {
  if (options.json === true && options.csv === true) throw new ConfigurationError('expected --json or --csv, got both')
  if (options.points !== undefined) return await series(given, readPoints(options.points), options)
  const limit = readLimit(options)
  const range = readRange(options)
  await using source = await chooseSource(options)
  const position = await findPosition(await readDirectory(source), given)
  const seen = new Seen()
  const records = seen.through(
    source.history(position, { ...range, ...(limit === null ? {} : { limit: limit + 1 }) }),
    limit,
  )
  await print(records, options, limit === null)
  if (seen.count === 0) console.error('No record of that time.')
  if (seen.more) console.error('There are older records: --limit shows more of them, --all every one.')
  return await tellGaps(source, position, range, seen)
}

/** The balance over time in so many steps: `tidemark history --points`. */
async function series(given: NamesGiven, points: number, options: HistoryOptions): Promise<ExitCode> {
  if (options.limit !== undefined || options.all === true) {
    throw new ConfigurationError('expected --points without --limit and --all')
  }
  const bounds = readBounds(options)
  await using source = await chooseSource(options)
  const position = await findPosition(await readDirectory(source), given)
  const answer = await source.series(position, points, bounds)
  const output = new Output()
  if (options.json === true) await output.writeJson(answer)
  else if (options.csv === true) await output.write([seriesHeading, ...answer.items.map(seriesLine)].join('\n'))
  else if (answer.items.length > 0) {
    const columns = seriesColumns(options.exact === true, await readToken(source, position))
    await output.writeLines(layOutTable({ columns, rows: answer.items, width: output.width }))
  }
  return tellUnknown(answer, {
    records: answer.items.length,
    isKnown: answer.before !== null || answer.items.length > 0,
  })
}

/** Null: all of them. */
function readLimit({ limit, all = false }: HistoryOptions): number | null {
  if (limit === undefined) return all ? null : LIMIT_DEFAULT
  if (all) throw new ConfigurationError('expected --limit or --all, got both')
  return readCount('--limit', limit)
}

/** What went by, for what is to be said afterwards. */
class Seen {
  count = 0
  /** Whether there was another one than those that were asked for. */
  more = false
  oldest: WireBalanceRecord | null = null
  newest: WireBalanceRecord | null = null

  async *through(
    records: AsyncIterable<WireBalanceRecord>,
    limit: number | null,
  ): AsyncGenerator<WireBalanceRecord, void, undefined> {
    for await (const record of records) {
      this.more = this.count === limit
      if (this.more) return
      this.count += 1
      this.newest ??= record
      this.oldest = record
      yield record
    }
  }
}

async function print(
  records: AsyncIterable<WireBalanceRecord>,
  { json = false, csv = false, exact = false }: HistoryOptions,
  streamed: boolean,
): Promise<void> {
  const output = new Output()
  if (csv) await output.write(csvHeading)
  if (csv || (json && streamed)) {
    for await (const record of records) await output.write(csv ? csvRecord(record) : jsonText(record))
    return
  }
  let rows: WireBalanceRecord[] = []
  let first = true
  const columns = historyColumns(exact)
  const printTable = async (): Promise<void> => {
    const table = layOutTable({ columns, rows, width: output.width })
    await output.writeLines(first ? table : table.slice(1))
    first = false
    rows = []
  }
  for await (const record of records) {
    rows.push(record)
    if (!json && rows.length === TABLE_ROWS) await printTable()
  }
  if (json) await output.writeJson(rows)
  else if (rows.length > 0) await printTable()
}
