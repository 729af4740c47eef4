import type { BlockHeader } from '../../model/block.js'
import type { BalanceReading, SpanChange, SpanPosition } from '../../model/chain-event.js'
import { positionKey } from '../../model/position.js'
import type { SearchedPosition } from './found-change.js'
import type { SliceFindings } from './search-slice.js'

/**
 * What a search has found so far, slice after slice. Where a position could not be followed it is `sampled`, and what it
 * has when it is read again is told as a change of that block: no balance is left standing that is known to be another.
 */
export class HistoryTrack {
  readonly changes: SpanChange[] = []
  readonly #positions: readonly SearchedPosition[]
  /** What each position has where the search stands. */
  readonly #readings = new Map<string, BalanceReading>()
  /** What was last told of each. */
  readonly #told = new Map<string, bigint>()
  readonly #sampled = new Set<string>()

  constructor(positions: readonly SearchedPosition[]) {
    this.#positions = positions
    for (const position of positions) {
      const { balance } = position
      if (balance === null) continue
      this.#readings.set(positionKey(position), { kind: 'balance', position, balance })
      this.#told.set(positionKey(position), balance)
    }
  }

  /** The positions as they stand: to be searched from here on. */
  positions(): readonly SearchedPosition[] {
    return this.#positions.map((position) => {
      const reading = this.#readings.get(positionKey(position))
      return { ...position, balance: reading?.kind === 'balance' ? reading.balance : null }
    })
  }

  /** Goes on with what a slice showed. */
  follow(end: BlockHeader, { changes, positions }: Pick<SliceFindings, 'changes' | 'positions'>): void {
    for (const change of changes) this.#told.set(positionKey(change.position), change.balance)
    this.changes.push(...changes)
    for (const { position, coverage } of positions) if (coverage === 'sampled') this.#sampled.add(positionKey(position))
    this.meet(
      end,
      positions.map(({ reading }) => reading),
    )
  }

  /** From here on nothing is known, for a reason. */
  lose(reason: string): void {
    for (const { chainId, token, solver } of this.#positions) {
      const position = { chainId, token, solver }
      this.#sampled.add(positionKey(position))
      this.#readings.set(positionKey(position), { kind: 'failed', position, reason })
    }
  }

  /** Notes what positions have at a block, one reading for each. */
  meet(block: BlockHeader, readings: readonly BalanceReading[]): void {
    this.#positions.forEach(({ accruing }, index) => {
      const reading = readings[index]
      if (reading === undefined) throw new Error('invariant: one reading for each position')
      const { position } = reading
      const key = positionKey(position)
      this.#readings.set(key, reading)
      if (reading.kind === 'failed') return
      const { balance } = reading
      const told = this.#told.get(key)
      this.#told.set(key, balance)
      // One that grows by itself changes in every block, and nobody asked for all of them.
      if (told === undefined || told === balance || accruing === true) return
      const attribution = { transactionHashes: [], cause: 'unknown' as const, unexplained: balance - told }
      this.changes.push({ position, block, balance, attribution })
    })
  }

  /** How each position ended, in order. */
  ends(): readonly SpanPosition[] {
    return this.#positions.map(({ chainId, token, solver }) => {
      const position = { chainId, token, solver }
      const key = positionKey(position)
      const reading = this.#readings.get(key)
      if (reading === undefined) throw new Error('invariant: every position was read at the end')
      return { position, coverage: this.#sampled.has(key) ? 'sampled' : 'exact', reading }
    })
  }
}
