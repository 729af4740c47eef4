import type { BlockHeader } from '../../model/block.js'
import type { BalanceReading, SpanChange, SpanPosition, WatchedPosition } from '../../model/chain-event.js'

export interface HistorySearch {
  /** With the balance that each one has at `from`. */
  readonly positions: readonly (WatchedPosition & { readonly balance: bigint })[]
  /** Changes are searched in the blocks after this one … */
  readonly from: BlockHeader
  /** … up to this one, inclusive. */
  readonly to: BlockHeader
  readonly signal?: AbortSignal | undefined
}

export interface HistoryFindings {
  /** By ascending block, each one read at its block's hash. */
  readonly changes: readonly SpanChange[]
  /** One for each position that was asked for. */
  readonly positions: readonly SpanPosition[]
}

/** The past of one chain, as its nodes tell it. */
export interface HistorySource {
  /** The canonical block of a number. */
  header(number: bigint): Promise<BlockHeader>
  /** What the positions hold at one block, in their order, read at its hash. */
  balancesAt(block: BlockHeader, positions: readonly WatchedPosition[]): Promise<readonly BalanceReading[]>
  search(search: HistorySearch): Promise<HistoryFindings>
}
