import type { WireCurrentBalance } from '../client/index.js'
import { ConfigurationError } from '../index.js'
import { balanceAt } from './balance-at.js'
import { totalColumns, totalJson, totalsOf } from './balance-total.js'
import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import type { BalanceSource } from './source/balance-source.js'
import { chooseSource } from './source/choose-source.js'
import type { SourceOptions } from './source/choose-source.js'
import { positionKey, readDirectory, watchedPositions } from './source/directory.js'
import type { Directory } from './source/directory.js'
import { findSelection } from './source/find-by-name.js'
import type { NamesGiven, Selection } from './source/find-by-name.js'
import { readWhen } from './source/read-when.js'
import { filtersOf, isSelected } from './source/selection.js'
import { unknownPosition } from './source/source-errors.js'
import { ageText, amountText, countText, grouped } from './terminal/amount-text.js'
import { Output } from './terminal/output.js'
import { plainText } from './terminal/plain-text.js'
import { chainName, shortAddress, tokenName, walletName } from './terminal/position-names.js'
import { span } from './terminal/styled-line.js'
import { layOutTable } from './terminal/table.js'
import type { TableColumn } from './terminal/table.js'

export interface BalanceOptions extends SourceOptions {
  readonly all?: boolean | undefined
  readonly at?: string | undefined
  readonly total?: boolean | undefined
  readonly exact?: boolean | undefined
  readonly json?: boolean | undefined
}

/** A position that was asked for, and what is known of it. */
interface BalanceLine {
  readonly chainId: string
  readonly chainName: string
  readonly tokenAddress: string
  readonly solverAddress: string
  readonly label: string | null
  /** Null as long as no balance could be read. */
  readonly known: WireCurrentBalance | null
}

/** Columns of the reason why a balance is stale. */
const REASON_COLUMNS = 80
/** Balances that a message names at most. */
const NAMED_MAX = 5
const notReadYet = 'not read yet'

/** `tidemark balance`: the balance of each position, or of those that are named; the newest, or as of then. */
export async function balance(given: NamesGiven, options: BalanceOptions): Promise<ExitCode> {
  const { exact = false, json = false, total = false } = options
  const when = options.at === undefined ? null : readWhen('--at', options.at)
  if (when !== null && (total || options.all === true)) {
    throw new ConfigurationError('expected --at without --total and --all')
  }
  await using source = await chooseSource(options)
  const output = new Output()
  const directory = await readDirectory(source)
  const selection = await findSelection(directory, given)
  if (when !== null) return await balanceAt({ source, directory, selection, when, output, exact, json })
  const lines = await readLines(source, directory, selection, options.all === true)
  if (lines.length === 0 && selection.solver !== null) throw unknownPosition()
  if (total) {
    const rows = totalsOf(lines)
    if (json) await output.writeJson(rows.map(totalJson))
    else if (rows.length > 0)
      await output.writeLines(layOutTable({ columns: totalColumns(exact), rows, width: output.width }))
  } else if (json) {
    await output.writeJson(lines.map(toJson))
  } else if (lines.length > 0) {
    await output.writeLines(layOutTable({ columns: columnsOf(exact), rows: lines, width: output.width }))
  }
  if (lines.length === 0) console.error('No balance is watched here. Watch a wallet: tidemark solvers add 0x…')
  return tellPartial(lines)
}

async function readLines(
  source: BalanceSource,
  directory: Directory,
  selection: Selection,
  all: boolean,
): Promise<BalanceLine[]> {
  const known = new Map<string, WireCurrentBalance>()
  for (const filter of filtersOf(selection)) {
    for await (const item of source.balances(filter)) known.set(positionKey(item), item)
  }
  const lines: BalanceLine[] = []
  for (const { chain, token, solver } of watchedPositions(directory)) {
    const position = { chainId: chain.chainId, tokenAddress: token, solverAddress: solver.address }
    if (!isSelected(position, selection)) continue
    const key = positionKey(position)
    lines.push({ ...position, chainName: chain.name, label: solver.label, known: known.get(key) ?? null })
    known.delete(key)
  }
  // What is left is not watched any more: shown to those who ask for that wallet, or for everything.
  if (!all && selection.solver === null) return lines
  const names = new Map(directory.chains.map(({ chainId, name }) => [chainId, name]))
  const left = [...known.values()].map((item) => ({
    chainId: item.chainId,
    chainName: names.get(item.chainId) ?? `chain ${item.chainId}`,
    tokenAddress: item.tokenAddress,
    solverAddress: item.solverAddress,
    label: null,
    known: item,
  }))
  return [...lines, ...left]
}

/** The fields of the service's own answer, and the names; an unknown balance is null. */
function toJson({ known, ...position }: BalanceLine): Readonly<Record<string, unknown>> {
  if (known === null) return { ...position, balance: null, stale: true, staleReason: notReadYet }
  return { ...position, ...known }
}

function columnsOf(exact: boolean): readonly TableColumn<BalanceLine>[] {
  const nowMs = Date.now()
  const age = (time: string): string => ageText(nowMs - Date.parse(time))
  return [
    { heading: 'SOLVER WALLET', align: 'left', cell: (line) => span(walletName(line)) },
    {
      heading: 'ADDRESS',
      align: 'left',
      cell: ({ solverAddress }) => span(shortAddress(solverAddress), 'quiet'),
      dispensable: 5,
    },
    { heading: 'CHAIN', align: 'left', cell: (line) => span(chainName(line.chainName)) },
    {
      heading: 'BALANCE',
      align: 'point',
      cell: ({ known }) => {
        if (known === null) return span('unknown', 'warning')
        return span(
          exact
            ? plainText(known.formatted, Number.POSITIVE_INFINITY)
            : amountText(BigInt(known.balance), known.decimals ?? null),
        )
      },
    },
    {
      heading: 'TOKEN',
      align: 'left',
      cell: (line) => span(tokenName({ symbol: line.known?.tokenSymbol ?? null, tokenAddress: line.tokenAddress })),
    },
    {
      heading: 'BLOCK',
      align: 'right',
      cell: ({ known }) => span(known === null ? '–' : grouped(BigInt(known.verified.blockNumber))),
      dispensable: 1,
    },
    {
      heading: 'AGE',
      align: 'right',
      cell: ({ known }) => span(known === null ? '–' : age(known.verified.timestamp)),
    },
    {
      heading: 'CHANGED',
      align: 'right',
      cell: ({ known }) => span(known === null ? '–' : age(known.timestamp), 'quiet'),
      dispensable: 3,
    },
    {
      heading: 'FINALITY',
      align: 'left',
      cell: ({ known }) => span(known?.finality ?? '–', 'quiet'),
      dispensable: 4,
    },
    { heading: '', align: 'left', cell: ({ known }) => span(noteOf(known), 'warning') },
  ]
}

function noteOf(known: WireCurrentBalance | null): string {
  if (known === null) return notReadYet
  return known.stale ? `stale: ${plainText(known.staleReason ?? 'for a reason not known', REASON_COLUMNS)}` : ''
}

/** Names what is stale or unknown, which the exit code tells too. */
function tellPartial(lines: readonly BalanceLine[]): ExitCode {
  const partial = lines.filter(({ known }) => known === null || known.stale)
  if (partial.length === 0) return exitCodes.ok
  console.error(`${countText(partial.length, 'balance')} of ${lines.length} stale or unknown:`)
  for (const line of partial.slice(0, NAMED_MAX)) {
    const token = tokenName({ symbol: line.known?.tokenSymbol ?? null, tokenAddress: line.tokenAddress })
    console.error(`  ${walletName(line)} ${token} on ${chainName(line.chainName)}: ${noteOf(line.known)}`)
  }
  if (partial.length > NAMED_MAX) console.error(`  and ${partial.length - NAMED_MAX} more`)
  return exitCodes.partial
}
