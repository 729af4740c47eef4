import type { Address } from '../../model/address.js'
import { positionKey } from '../../model/position.js'
import type { Token } from '../../model/position.js'
import type { StateInterval } from './bisect.js'
import type { BlockPins } from './block-pins.js'
import type { BlockReader } from './block-reader.js'
import { explainByLogs } from './explain-by-logs.js'
import type { FetchedLogs, RangeLogs } from './fetch-range-logs.js'
import { balanceQuery } from './found-change.js'
import type { SearchedPosition } from './found-change.js'
import { bisectPositions } from './search-accounts.js'
import type { AccountSpan, AccountSteps } from './search-accounts.js'

/** Candidates of one position's logs, by `positionKey`: the blocks in which its balance may have changed. */
export type Candidates = ReadonlyMap<string, readonly bigint[]>

/**
 * Blocks in which a log names a position, ascending. They are deferred to the reader.
 */
export function deferCandidates(
  reader: BlockReader,
  positions: readonly SearchedPosition[],
  logs: RangeLogs,
): Candidates {
  const watched = new Map<string, SearchedPosition>()
  for (const position of positions) watched.set(`${position.token}:${position.solver}`, position)
  const blocks = new Map<string, bigint[]>()
  for (const number of [...logs.keys()].toSorted((a, b) => (a < b ? -1 : 1))) {
    const touched = new Set<SearchedPosition>()
    for (const { token, topics } of logs.get(number) ?? []) {
      for (const topic of topics.slice(1, 3)) {
        const position = watched.get(`${token}:${addressIn(topic)}`)
        if (position !== undefined) touched.add(position)
      }
    }
    for (const position of touched) {
      const key = positionKey(position)
      const same = blocks.get(key)
      if (same === undefined) blocks.set(key, [number])
      else same.push(number)
      reader.defer(number, balanceQuery(position))
    }
  }
  return blocks
}

function addressIn(topic: string): Address {
  return `0x${topic.slice(26)}`
}

/**
 * The steps of token balances: read at every block that has a log of theirs, and proven to be all where each one is what
 * the block's logs add up to and nothing is left over at the end. What does not add up is bisected by balance alone,
 * which may miss changes that were undone. A token that changed one balance without a log may have changed any: nothing is
 * proven of its others.
 *
 * @param candidates null where the logs could not be had
 */
export async function searchTokens(
  reader: BlockReader,
  pins: BlockPins,
  { tokens, candidates, logs, withheld }: TokenSearch,
): Promise<readonly AccountSteps[]> {
  await reader.settle()
  const walks = tokens.map((token, index) => walk(reader, pins, { token, index, candidates, logs }))
  const wide = walks.flatMap(({ doubtful }) => doubtful)
  const positions = tokens.map(({ position }) => position)
  const silent = new Set(positions.filter((_, index) => walks[index]?.doubtful.length !== 0).map(({ token }) => token))
  const found = await bisectPositions(reader, { positions, intervals: wide, provable: () => false })
  return walks.map(({ token, steps, readable }, index) => ({
    steps: [...steps, ...found.filter((step) => step.index === index)].toSorted((a, b) =>
      a.high.number < b.high.number ? -1 : 1,
    ),
    exact: candidates !== null && !silent.has(token) && readable && !isWithheld(tokens[index], withheld),
  }))
}

function isWithheld(span: AccountSpan | undefined, withheld: FetchedLogs['withheld']): boolean {
  const token = span?.position.token
  return token !== undefined && token !== 'native' && withheld.has(token)
}

export interface TokenSearch extends FetchedLogs {
  readonly tokens: readonly AccountSpan[]
  readonly candidates: Candidates | null
}

interface TokenWalk extends Omit<TokenSearch, 'tokens' | 'withheld'> {
  readonly token: AccountSpan
  readonly index: number
}

interface Walked {
  readonly token: Token
  /** Explained by the logs of their block. */
  readonly steps: readonly StateInterval[]
  readonly doubtful: readonly StateInterval[]
  /** False where the token could not be read at some block that has a log of it. */
  readonly readable: boolean
}

function walk(reader: BlockReader, pins: BlockPins, { token, index, candidates, logs }: TokenWalk): Walked {
  const { position, balanceBefore, balanceAfter } = token
  const steps: StateInterval[] = []
  const doubtful: StateInterval[] = []
  const query = balanceQuery(position)
  let readable = true
  let low = { number: pins.from.number, balance: balanceBefore, fingerprint: 0n }
  for (const number of candidates?.get(positionKey(position)) ?? []) {
    const answer = reader.answerTo(number, query)
    if (answer.kind === 'failed') {
      readable = false
      continue
    }
    const high = { number, balance: answer.value, fingerprint: 0n }
    const change = { position, delta: high.balance - low.balance }
    const explained = explainByLogs(change, logs.get(number) ?? []).unexplained === 0n
    if (!explained) doubtful.push({ index, low, high })
    else if (change.delta !== 0n) steps.push({ index, low: { ...low, number: number - 1n }, high })
    low = high
  }
  if (low.balance !== balanceAfter) {
    doubtful.push({ index, low, high: { number: pins.to.number, balance: balanceAfter, fingerprint: 0n } })
  }
  return { token: position.token, steps, doubtful, readable }
}
