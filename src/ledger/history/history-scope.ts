import type { BlockHeader } from '../../model/block.js'
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
  return {
    ...context,
    cursor,
    positions: await store.loadPositions(chainId, { inactive }),
    isSettled: (number) =>
      number <= cursor.number - BigInt(KEPT_HEADERS) || (finality.finalized !== null && number <= finality.finalized),
    header: async (number) => kept.get(number) ?? (await source.header(number)),
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
  const commit = { ...piece, chainId }
  if (commit.reason === 'sync') {
    await store.commitHistory(commit)
    scope.onCommitted?.()
  } else {
    await store.commitHistoryPieces(chainId, [commit])
  }
}
