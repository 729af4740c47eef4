import { blockTime } from '../../model/block.js'
import type { BlockHeader, BlockRef, FinalityCursors } from '../../model/block.js'
import { LeaseLostError } from '../../leases/lease-store.js'
import { CursorMovedError } from '../../ledger/ledger-store.js'
import { toBytes } from './bytes.js'
import type { Queryable } from './database.js'

export interface CursorMove {
  readonly chainId: bigint
  /** The cursor that must stand; null for a chain that has none yet. */
  readonly from: BlockRef | null
  readonly to: BlockHeader
  readonly finality?: FinalityCursors | undefined
  /** The epoch of the lease under which the chain was read; null where none is needed. */
  readonly epoch: bigint | null
}

/**
 * Moves a chain's cursor if it still is where the writer thinks. This comes first in every ledger transaction: it locks
 * the chain's row, so two writers of one chain follow each other, and the second one is refused.
 *
 * @throws {CursorMovedError | LeaseLostError}
 */
export async function moveCursor(transaction: Queryable, move: CursorMove): Promise<void> {
  const { chainId, from, to, finality, epoch } = move
  const rows = await transaction.query({
    name: 'move-cursor',
    text: `
      update tidemark.chain
      set cursor_number = $2, cursor_hash = $3, cursor_timestamp = $4,
          safe_number = coalesce($6, safe_number), finalized_number = coalesce($7, finalized_number)
      where chain_id = $1 and cursor_hash is not distinct from $5 and ${isClaimedFor('$8')}
      returning chain_id`,
    values: [
      chainId,
      to.number,
      toBytes(to.hash),
      blockTime(to),
      from === null ? null : toBytes(from.hash),
      finality?.safe ?? null,
      finality?.finalized ?? null,
      epoch,
    ],
  })
  if (rows.length === 0) throw await refusal(transaction, move)
}

/**
 * The condition on a chain's row under which a process may write.
 *
 * @param epoch the placeholder of the epoch of its lease, or of null where it needs none
 */
export function isClaimedFor(epoch: string): string {
  return `(${epoch}::bigint is null or chain.lease_epoch = ${epoch}::bigint)`
}

/** Why a commit was refused: the chain is another process's by now, or its cursor is elsewhere. */
export async function refusal(
  database: Queryable,
  { chainId, from, epoch }: Pick<CursorMove, 'chainId' | 'from' | 'epoch'>,
): Promise<CursorMovedError | LeaseLostError> {
  const [chain] = await database.query<{ lease_epoch: string }>({
    name: 'lease-epoch',
    text: 'select lease_epoch from tidemark.chain where chain_id = $1',
    values: [chainId],
  })
  const current = chain === undefined ? null : BigInt(chain.lease_epoch)
  return epoch === null || epoch === current ? cursorMoved(chainId, from) : leaseLost(chainId, epoch, current)
}

/** The refusal of a process that does not follow the chain any more. */
export function leaseLost(chainId: bigint, expected: bigint, current: bigint | null): LeaseLostError {
  const got = current === null ? 'no such chain' : `epoch ${current}`
  return new LeaseLostError(`chain ${chainId}: expected its lease to have epoch ${expected}, got ${got}`, {
    hint: 'Another process follows this chain now.',
  })
}

/** The refusal of a commit that builds on what is no longer there. */
export function cursorMoved(chainId: bigint, expected: BlockRef | null): CursorMovedError {
  const place = expected === null ? 'at no block' : `at block ${expected.number} (${expected.hash})`
  return new CursorMovedError(
    `chain ${chainId}: expected the cursor ${place} and its balances as they were read, another writer changed them`,
    { hint: 'The chain is read again from where the other writer left it.' },
  )
}

/** Stores canonical headers, replacing what stood at their numbers. */
export async function insertHeaders(
  transaction: Queryable,
  chainId: bigint,
  headers: readonly BlockHeader[],
): Promise<void> {
  await transaction.query({
    name: 'insert-headers',
    text: `
      insert into tidemark.block (chain_id, number, hash, parent_hash, timestamp)
      select $1, * from unnest($2::bigint[], $3::bytea[], $4::bytea[], $5::timestamptz[])
      on conflict (chain_id, number) do update
      set hash = excluded.hash, parent_hash = excluded.parent_hash, timestamp = excluded.timestamp`,
    values: [
      chainId,
      headers.map((header) => header.number),
      headers.map((header) => toBytes(header.hash)),
      headers.map((header) => toBytes(header.parentHash)),
      headers.map((header) => blockTime(header)),
    ],
  })
}
