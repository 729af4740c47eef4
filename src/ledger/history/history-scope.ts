import type { BlockHeader, BlockRef } from '../../model/block.js'
import { RetryableError } from '../../model/errors.js'
import type { Logger } from '../../model/logger.js'
import { KEPT_HEADERS } from '../ledger-store.js'
import type { HistoryCommit, LedgerStore, StoredPosition } from '../ledger-store.js'
import type { HistoryFindings, HistorySearch, HistorySource } from './history-source.js'

export interface HistoryContext {
  readonly chainId: bigint
  readonly name: string
  readonly store: LedgerStore
  readonly source: HistorySource
  readonly logger: Logger
  readonly signal?: AbortSignal | undefined
  /** Called when events may have been appended. */
  readonly onCommitted?: (() => void) | undefined
  /** Whether positions that are not watched any more are meant, too. */
  readonly inactive?: boolean | undefined
}

/** One chain's history up to its cursor, as it stands while a piece of it is worked on. */
export interface HistoryScope extends HistoryContext {
  readonly cursor: BlockHeader
  readonly positions: readonly StoredPosition[]
  /** A block at or below the cursor: the stored one where it is kept, else the one that the nodes call canonical. */
  header(number: bigint): Promise<BlockHeader>
  /**
   * What leads from a block up to a stored one, for `HistoryCommit.links`.
   *
   * @returns undefined where the store needs none
   */
  linksAbove(block: BlockRef): Promise<readonly BlockHeader[] | undefined>
  /** Whether a block counts as canonical without its hash being stored. */
  isSettled(number: bigint): boolean
}

/** The chain was never followed: there is no history to work on. */
export class NoHistoryError extends RetryableError {
  readonly code = 'no_history'
}

/** @throws {NoHistoryError} before the chain's first block. */
export async function openScope(context: HistoryContext): Promise<HistoryScope> {
  const { store, chainId, name, source, inactive } = context
  const { headers, finality } = await store.loadChain({ chainId, name })
  const cursor = headers.at(-1)
  if (cursor === undefined) {
    throw new NoHistoryError(`chain ${chainId}: expected a processed block, got none`, {
      hint: 'Start the service once, so that it knows where the chain stands.',
    })
  }
  const kept = new Map(headers.map((header) => [header.number, header]))
  const isSettled = (number: bigint): boolean =>
    number <= cursor.number - BigInt(KEPT_HEADERS) || (finality.finalized !== null && number <= finality.finalized)
  // Pieces that end at the same blocks, or a few blocks apart, need the same ones again.
  const fetched = new Map<bigint, Promise<BlockHeader>>()
  const fetchOnce = (number: bigint): Promise<BlockHeader> => {
    const known = fetched.get(number) ?? source.header(number)
    fetched.set(number, known)
    return known
  }
  return {
    ...context,
    cursor,
    positions: await store.loadPositions(chainId, { inactive }),
    isSettled,
    header: async (number) => kept.get(number) ?? (await source.header(number)),
    linksAbove: async ({ number }) => {
      if (isSettled(number) || kept.has(number)) return undefined
      const stored = headers.find((header) => header.number > number) ?? cursor
      const between = Array.from({ length: Number(stored.number - number) - 1 }, (_, index) =>
        fetchOnce(number + BigInt(index) + 1n),
      )
      return [...(await Promise.all(between)), stored]
    },
  }
}

/** Searches the blocks of a span; one without any block after its first needs no request. */
export async function searchSpan(scope: HistoryScope, search: Omit<HistorySearch, 'signal'>): Promise<HistoryFindings> {
  if (search.from.number < search.to.number) return scope.source.search({ ...search, signal: scope.signal })
  const positions = search.positions.map((position): HistoryFindings['positions'][number] => ({
    position,
    coverage: 'exact',
    reading: { kind: 'balance', position, balance: position.balance },
  }))
  return { changes: [], positions }
}

/**
 * Writes a piece of history anew. What a run over the history changes is announced at its end, by `announceHistory`; what
 * the comparison with the chain repairs, at once.
 */
export async function commitPiece(scope: HistoryScope, piece: Omit<HistoryCommit, 'chainId'>): Promise<void> {
  const { store, chainId } = scope
  const commit = { ...piece, chainId, links: await scope.linksAbove(piece.to) }
  if (commit.reason === 'sync') {
    await store.commitHistory(commit)
    scope.onCommitted?.()
  } else {
    await store.commitHistoryPieces(chainId, [commit])
  }
}
