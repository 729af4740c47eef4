import { messageOf } from '../../model/errors.js'
import type { BalanceReading } from '../../model/chain-event.js'
import { positionKey } from '../../model/position.js'
import { NodeError } from '../rpc/rpc-errors.js'
import type { StateInterval } from './bisect.js'
import type { BlockPins } from './block-pins.js'
import { BlockReader } from './block-reader.js'
import { fetchRangeLogs } from './fetch-range-logs.js'
import type { FetchedLogs } from './fetch-range-logs.js'
import { balanceQuery, readingOf } from './found-change.js'
import type { Findings, FoundChange, FoundEnd, SearchedPosition } from './found-change.js'
import { searchAccounts } from './search-accounts.js'
import type { AccountSpan, AccountSteps } from './search-accounts.js'
import { deferCandidates, searchTokens } from './search-tokens.js'
import type { SearchContext } from './search-context.js'

/** Blocks of one span whose bodies are fetched to explain changes: what a search costs must not grow with its changes. */
const BODIES_MAX = 64
const NO_LOGS: FetchedLogs = { logs: new Map(), withheld: new Set() }

/**
 * Finds the changes of a span without reading every block: both ends for every position, and between them what logs and
 * bisection point at. Tells for each position whether that is proven to be everything.
 */
export async function searchChanges(
  context: SearchContext,
  pins: BlockPins,
  positions: readonly SearchedPosition[],
): Promise<Findings> {
  const reader = new BlockReader(context, pins)
  const readings = await readEnds(reader, pins, positions)
  const spans = spansOf(positions, readings)
  const natives = spans.filter(({ position }) => position.token === 'native')
  const tokens = spans.filter(({ position }) => position.token !== 'native')
  const fetched = await logsOf(context, pins, tokens)
  const logs = fetched?.logs ?? null
  const watched = tokens.map(({ position }) => position)
  const candidates = logs === null ? null : deferCandidates(reader, watched, logs)
  const ofNatives = await searchAccounts(reader, pins, natives)
  const ofTokens = await searchTokens(reader, pins, { tokens, candidates, ...(fetched ?? NO_LOGS) })

  const found = new Map<string, AccountSteps>()
  natives.forEach(({ position }, index) => setSteps(found, position, ofNatives[index]))
  tokens.forEach(({ position }, index) => setSteps(found, position, ofTokens[index]))
  const ends = new Map<string, FoundEnd>()
  const changes: FoundChange[] = []
  const times = new Map([...reader.times, [pins.to.number, pins.to.timestampSeconds]])
  positions.forEach((position, index) => {
    const reading = readings[index]
    if (reading === undefined) throw new Error('invariant: one reading for each position')
    const key = positionKey(position)
    const steps = found.get(key)
    ends.set(key, { coverage: steps?.exact === true ? 'exact' : 'sampled', reading })
    changes.push(...changesOf(reading, steps?.steps ?? [], { pins, times }))
  })
  return {
    changes: changes.toSorted((a, b) => compare(a.block.number, b.block.number)),
    ends,
    times,
    logs: logs ?? new Map(),
    bodiesMax: BODIES_MAX,
  }
}

async function readEnds(
  reader: BlockReader,
  { to }: BlockPins,
  positions: readonly SearchedPosition[],
): Promise<readonly BalanceReading[]> {
  const answers = (await reader.read(new Map([[to.number, positions.map(balanceQuery)]]))).get(to.number)
  return positions.map((position, index) => readingOf(position, answers?.[index]))
}

/** Positions with two known ends. One that grows by itself changes in every block: its ends are all that is wanted. */
function spansOf(positions: readonly SearchedPosition[], readings: readonly BalanceReading[]): readonly AccountSpan[] {
  return positions.flatMap((position, index) => {
    const reading = readings[index]
    if (position.balance === null || reading?.kind !== 'balance' || position.accruing === true) return []
    return [{ position, balanceBefore: position.balance, balanceAfter: reading.balance }]
  })
}

/** Null where the endpoints refuse to give logs of ranges: then nothing of the tokens can be proven. */
async function logsOf(
  context: SearchContext,
  pins: BlockPins,
  spans: readonly AccountSpan[],
): Promise<FetchedLogs | null> {
  const tokens = [...new Set(spans.flatMap(({ position: { token } }) => (token === 'native' ? [] : [token])))]
  const wallets = [...new Set(spans.map(({ position }) => position.solver))]
  if (tokens.length === 0) return NO_LOGS
  try {
    const fetched = await fetchRangeLogs(context, pins, { tokens, wallets })
    if (fetched.withheld.size > 0) {
      context.logger.warn({ tokens: [...fetched.withheld] }, 'too many logs in one block, these tokens are sampled')
    }
    return fetched
  } catch (error) {
    if (!(error instanceof NodeError)) throw error
    context.logger.warn({ error: messageOf(error) }, 'logs could not be read, token histories are sampled')
    return null
  }
}

function setSteps(found: Map<string, AccountSteps>, position: SearchedPosition, steps: AccountSteps | undefined): void {
  if (steps !== undefined) found.set(positionKey(position), steps)
}

function changesOf(
  { position }: BalanceReading,
  steps: readonly StateInterval[],
  { pins, times }: { readonly pins: BlockPins; readonly times: ReadonlyMap<bigint, number> },
): readonly FoundChange[] {
  return steps
    .filter(({ low, high }) => low.balance !== high.balance)
    .map(({ low, high }) => {
      const timestampSeconds = times.get(high.number)
      if (timestampSeconds === undefined) throw new Error('invariant: a change is where its balance was read')
      const block = pins.header(high.number, timestampSeconds)
      return { position, block, balance: high.balance, previous: low.balance }
    })
}

function compare(one: bigint, other: bigint): number {
  if (one === other) return 0
  return one < other ? -1 : 1
}
