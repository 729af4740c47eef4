import type { WirePastBalance } from '../client/index.js'
import { ConfigurationError, formatAmount } from '../index.js'
import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { timeText } from './history-lines.js'
import type { BalanceSource } from './source/balance-source.js'
import { positionKey, watchedPositions } from './source/directory.js'
import type { Directory } from './source/directory.js'
import type { Selection } from './source/find-by-name.js'
import type { When } from './source/read-when.js'
import { filtersOf, isSelected } from './source/selection.js'
import { unknownPosition } from './source/source-errors.js'
import { amountText, countText, grouped } from './terminal/amount-text.js'
import type { Output } from './terminal/output.js'
import { chainName, shortAddress, tokenName, walletName } from './terminal/position-names.js'
import { span } from './terminal/styled-line.js'
import { layOutTable } from './terminal/table.js'
import type { TableColumn } from './terminal/table.js'

/** A position that was asked for, and what is known of it as of then. */
interface PastLine {
  readonly chainId: string
  readonly chainName: string
  readonly tokenAddress: string
  readonly solverAddress: string
  readonly label: string | null
  /** Null when nothing was known by then. */
  readonly known: WirePastBalance | null
}

type PastPosition = Omit<PastLine, 'known'>

export interface BalanceAtOptions {
  readonly source: BalanceSource
  readonly directory: Directory
  readonly selection: Selection
  readonly when: When
  readonly output: Output
  readonly exact: boolean
  readonly json: boolean
}

/** Questions to the source at a time. */
const ASKED_AT_A_TIME = 4
const notKnown = 'nothing was known by then'

/** What each position held at a block or time: `tidemark balance --at`. */
export async function balanceAt(options: BalanceAtOptions): Promise<ExitCode> {
  const { output, json, exact } = options
  const lines = await readLines(options)
  if (lines.length === 0 && options.selection.solver !== null) throw unknownPosition()
  if (json) await output.writeJson(lines.map(toJson))
  else if (lines.length > 0)
    await output.writeLines(layOutTable({ columns: columnsOf(exact), rows: lines, width: output.width }))
  if (lines.length === 0) console.error('No balance is watched here. Watch a wallet: tidemark solvers add 0x…')
  const partial = lines.filter(({ known }) => known?.certainty !== 'exact')
  if (partial.length === 0) return exitCodes.ok
  console.error(`${countText(partial.length, 'balance')} of ${lines.length} not known exactly as of then.`)
  return exitCodes.partial
}

async function readLines({ source, directory, selection, when }: BalanceAtOptions): Promise<PastLine[]> {
  const wanted: PastPosition[] = watchedPositions(directory)
    .map(({ chain, token, solver }) => ({
      chainId: chain.chainId,
      chainName: chain.name,
      tokenAddress: token,
      solverAddress: solver.address,
      label: solver.label,
    }))
    .filter((position) => isSelected(position, selection))
  // Those who ask for a wallet want what is no longer watched of it, too.
  if (selection.solver !== null) wanted.push(...(await noLongerWatched(source, directory, selection, wanted)))
  const past =
    'block' in when ? await readAtBlock(source, wanted, when) : await readAtTime(source, selection, when.time)
  return wanted.map((position) => ({ ...position, known: past.get(positionKey(position)) ?? null }))
}

async function noLongerWatched(
  source: BalanceSource,
  { chains }: Directory,
  selection: Selection,
  watched: readonly PastPosition[],
): Promise<readonly PastPosition[]> {
  const known = new Set(watched.map(positionKey))
  const found: PastPosition[] = []
  for (const filter of filtersOf(selection)) {
    for await (const position of source.balances(filter)) {
      if (known.has(positionKey(position))) continue
      const { chainId, tokenAddress, solverAddress } = position
      const chain = chains.find((each) => each.chainId === chainId)
      found.push({ chainId, chainName: chain?.name ?? `chain ${chainId}`, tokenAddress, solverAddress, label: null })
    }
  }
  return found
}

async function readAtTime(
  source: BalanceSource,
  selection: Selection,
  time: Date,
): Promise<Map<string, WirePastBalance>> {
  const past = new Map<string, WirePastBalance>()
  for (const filter of filtersOf(selection)) {
    for await (const balance of source.balancesAt(filter, time)) past.set(positionKey(balance), balance)
  }
  return past
}

/** Block numbers differ from chain to chain, so each position is asked for. */
async function readAtBlock(
  source: BalanceSource,
  wanted: readonly PastPosition[],
  when: { readonly block: string },
): Promise<Map<string, WirePastBalance>> {
  if (new Set(wanted.map(({ chainId }) => chainId)).size > 1) {
    throw new ConfigurationError('--at: expected a chain beside a block number, which differs from chain to chain', {
      hint: 'Name one chain, or give --at as a time.',
    })
  }
  const past = new Map<string, WirePastBalance>()
  for (let start = 0; start < wanted.length; start += ASKED_AT_A_TIME) {
    const answers = wanted.slice(start, start + ASKED_AT_A_TIME).map(async (position) => {
      const { chainId, tokenAddress: token, solverAddress: solver } = position
      const balance = await source.balanceAt({ chainId, token, solver }, when)
      if (balance !== null) past.set(positionKey(position), balance)
    })
    await Promise.all(answers)
  }
  return past
}

/** The fields of the service's own answer, and the names; an unknown balance is null. */
function toJson({ known, ...position }: PastLine): Readonly<Record<string, unknown>> {
  return known === null ? { ...position, balance: null, certainty: null } : { ...position, ...known }
}

function columnsOf(exact: boolean): readonly TableColumn<PastLine>[] {
  const amount = ({ balance, decimals }: WirePastBalance): string =>
    (exact ? formatAmount : amountText)(BigInt(balance), decimals ?? null)
  return [
    { heading: 'SOLVER WALLET', align: 'left', cell: (line) => span(walletName(line)) },
    {
      heading: 'ADDRESS',
      align: 'left',
      cell: ({ solverAddress }) => span(shortAddress(solverAddress), 'quiet'),
      dispensable: 2,
    },
    { heading: 'CHAIN', align: 'left', cell: (line) => span(chainName(line.chainName)) },
    {
      heading: 'BALANCE',
      align: 'point',
      cell: ({ known }) => (known === null ? span('unknown', 'warning') : span(amount(known))),
    },
    {
      heading: 'TOKEN',
      align: 'left',
      cell: (line) => span(tokenName({ symbol: line.known?.tokenSymbol ?? null, tokenAddress: line.tokenAddress })),
    },
    {
      heading: 'SINCE BLOCK',
      align: 'right',
      cell: ({ known }) => span(known === null ? '–' : grouped(BigInt(known.blockNumber))),
    },
    {
      heading: 'SINCE (UTC)',
      align: 'left',
      cell: ({ known }) => span(known === null ? '–' : timeText(known.timestamp), 'quiet'),
      dispensable: 1,
    },
    { heading: '', align: 'left', cell: ({ known }) => span(noteOf(known), 'warning') },
  ]
}

function noteOf(known: WirePastBalance | null): string {
  if (known === null) return notKnown
  switch (known.certainty) {
    case 'exact':
      return ''
    case 'sampled':
      return 'sampled: it may have been another one in between'
    case 'unseen':
      return 'unseen: the last one known before'
  }
}
