import type { BlockHeader } from '../../model/block.js'
import type { BalanceReading, CoverageKind } from '../../model/chain-event.js'
import { positionKey } from '../../model/position.js'
import type { Position } from '../../model/position.js'
import type { RangeLogs } from './fetch-range-logs.js'
import type { PastAnswer, PastQuery } from './past-query.js'

/** A position whose changes are searched. */
export interface SearchedPosition extends Position {
  /** What it has at the block before the span; null when that is not known. */
  readonly balance: bigint | null
  /** True for a token whose balances grow by themselves in every block: nothing is searched between the ends. */
  readonly accruing?: boolean | undefined
}

/** A balance that a position has from one block on. */
export interface FoundChange {
  readonly position: Position
  readonly block: BlockHeader
  readonly balance: bigint
  readonly previous: bigint
}

/** How one position ended. */
export interface FoundEnd {
  readonly coverage: CoverageKind
  readonly reading: BalanceReading
}

/** What a search of some positions in one span found. */
export interface Findings {
  /** By ascending block. */
  readonly changes: readonly FoundChange[]
  /** By `positionKey`. */
  readonly ends: ReadonlyMap<string, FoundEnd>
  /** Times of the blocks that were read, by number. */
  readonly times: ReadonlyMap<bigint, number>
  /** Logs of the tokens' movements, by block; null where they were not asked for. */
  readonly logs: RangeLogs | null
  /** Blocks whose bodies may be fetched to explain changes that logs and traces do not. */
  readonly bodiesMax: number
}

export function balanceQuery({ token, solver }: Position): PastQuery {
  return { subject: token, account: solver }
}

export function readingOf({ chainId, token, solver }: Position, answer: PastAnswer | undefined): BalanceReading {
  const position = { chainId, token, solver }
  if (answer === undefined) throw new Error('invariant: one answer for each query')
  return answer.kind === 'value'
    ? { kind: 'balance', position, balance: answer.value }
    : { kind: 'failed', position, reason: answer.reason }
}

/**
 * Follows positions through readings in block order and notes what changes. What could not be read at some block may
 * have changed and changed back there: such a position's history is sampled.
 */
export class ChangeLog {
  readonly changes: FoundChange[] = []
  readonly #held = new Map<string, bigint>()
  readonly #unsure = new Set<string>()
  readonly #last = new Map<string, BalanceReading>()

  constructor(positions: readonly SearchedPosition[]) {
    for (const position of positions) {
      if (position.balance === null) this.#unsure.add(positionKey(position))
      else this.#held.set(positionKey(position), position.balance)
    }
  }

  note(block: BlockHeader, reading: BalanceReading): void {
    const key = positionKey(reading.position)
    this.#last.set(key, reading)
    if (reading.kind === 'failed') {
      this.#unsure.add(key)
      return
    }
    const { position, balance } = reading
    const previous = this.#held.get(key)
    this.#held.set(key, balance)
    if (previous !== undefined && previous !== balance) this.changes.push({ position, block, balance, previous })
  }

  /** How each position that was read stands. */
  ends(): ReadonlyMap<string, FoundEnd> {
    return new Map(
      [...this.#last].map(([key, reading]) => [
        key,
        { coverage: this.#unsure.has(key) ? 'sampled' : 'exact', reading },
      ]),
    )
  }
}
