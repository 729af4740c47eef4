import { CursorMovedError, HistoryContradictionError, KEPT_HEADERS } from '../../ledger/ledger-store.js'
import type { HistoryCommit, HistoryRow } from '../../ledger/ledger-store.js'
import type { CoverageInterval } from '../../model/coverage.js'
import { blockTime } from '../../model/block.js'
import type { BlockHeader, BlockRef } from '../../model/block.js'
import type { CoverageKind } from '../../model/chain-event.js'
import { appendChanges, noteChanges } from './announce-history.js'
import type { HistoryChange } from './announce-history.js'
import { toBytes, toHash } from './bytes.js'
import { leaseLost } from './chain-cursor.js'
import { mergeCoverage } from './coverage-intervals.js'
import type { Queryable } from './database.js'
import { readCoverage, toBigInt } from './ledger-queries.js'
import type { CoverageRow } from './ledger-queries.js'
import { planHistory } from './plan-history.js'
import type { HistoryPlan } from './plan-history.js'
import { recordColumns } from './record-columns.js'
import type { RecordColumns } from './record-columns.js'
import { insertRecords } from './record-rows.js'

/**
 * Writes a position's records of past blocks anew, and announces it.
 *
 * @throws {CursorMovedError} when `to` is above the cursor, or not known to be canonical
 * @throws {HistoryContradictionError | LeaseLostError}
 */
export async function commitHistory(
  transaction: Queryable,
  commit: HistoryCommit,
  epoch: bigint | null,
): Promise<{ readonly added: number; readonly removed: number }> {
  const { change, plan } = await rewrite(transaction, commit, new CanonicalBlocks(transaction, commit.chainId, epoch))
  if (change !== null) await appendChanges(transaction, commit.chainId, [change])
  return { added: plan.added, removed: plan.removed }
}

/** Writes many pieces of one chain, in their order, and keeps what is to be announced of them. */
export async function commitHistoryPieces(
  transaction: Queryable,
  chainId: bigint,
  commits: readonly HistoryCommit[],
  epoch: bigint | null,
): Promise<{ readonly added: number; readonly removed: number }> {
  const blocks = new CanonicalBlocks(transaction, chainId, epoch)
  const changes: HistoryChange[] = []
  for (const commit of commits) {
    if (commit.chainId !== chainId) throw new Error(`invariant: pieces of chain ${chainId}, got ${commit.chainId}`)
    const { change } = await rewrite(transaction, commit, blocks)
    if (change !== null) changes.push(change)
  }
  await noteChanges(transaction, changes)
  const sum = (count: (change: HistoryChange) => number): number => changes.reduce((all, one) => all + count(one), 0)
  return { added: sum(({ added }) => added), removed: sum(({ removed }) => removed) }
}

/** The chain's row is locked first, so that no block, rollback or other rewriting happens in between. */
async function rewrite(
  transaction: Queryable,
  commit: HistoryCommit,
  blocks: CanonicalBlocks,
): Promise<{ readonly change: HistoryChange | null; readonly plan: HistoryPlan }> {
  checkRows(commit)
  const cursor = await blocks.lock(commit)
  if (cursor === null) throw notCanonical(commit)
  const grew = await growCoverage(transaction, commit, cursor)
  const plan = await planRecords(transaction, commit, cursor)
  await checkEnd(transaction, commit, plan)
  await writeRecords(transaction, commit, plan)
  await keepNotes(transaction, commit)
  // Also a record after the rewritten blocks may be another one now: whoever keeps a copy has to hear of it.
  const differs = plan.written.length + plan.dropped.length > 0
  return { change: differs || grew ? changeOf(commit, plan) : null, plan }
}

interface LockedChainRow {
  readonly cursor_number: string | null
  readonly finalized_number: string | null
  readonly lease_epoch: string
}

/** Which blocks are canonical, asked once for each of them while the chain is locked. */
class CanonicalBlocks {
  readonly #transaction: Queryable
  readonly #chainId: bigint
  readonly #epoch: bigint | null
  readonly #known = new Map<string, bigint | null>()

  constructor(transaction: Queryable, chainId: bigint, epoch: bigint | null) {
    this.#epoch = epoch
    this.#transaction = transaction
    this.#chainId = chainId
  }

  async lock({ to, links = [] }: Pick<HistoryCommit, 'to' | 'links'>): Promise<bigint | null> {
    const key = `${to.number}/${to.hash}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    let cursor = await this.#lockCanonical(to)
    const top = links.at(-1)
    if (cursor === null && top !== undefined && isLinked(to, links)) {
      cursor = await this.#lockCanonical(top)
    }
    this.#known.set(key, cursor)
    return cursor
  }

  /** @returns the cursor's number, with the chain locked; null when the block is not known to be canonical. */
  async #lockCanonical(to: BlockRef): Promise<bigint | null> {
    const chainId = this.#chainId
    const [chain] = await this.#transaction.query<LockedChainRow>({
      name: 'lock-chain',
      text: 'select cursor_number, finalized_number, lease_epoch from tidemark.chain where chain_id = $1 for update',
      values: [chainId],
    })
    const epoch = toBigInt(chain?.lease_epoch)
    if (this.#epoch !== null && this.#epoch !== epoch) throw leaseLost(chainId, this.#epoch, epoch)
    const cursor = toBigInt(chain?.cursor_number)
    const finalized = toBigInt(chain?.finalized_number)
    if (cursor === null || to.number > cursor) return null
    // Below the kept headers no hash is left to compare with, whether the chain calls the block final by then or not.
    const kept = cursor - BigInt(KEPT_HEADERS)
    if (to.number <= kept || (finalized !== null && to.number <= finalized)) return cursor
    const known = await this.#transaction.query({
      name: 'known-block',
      text: `
        select from tidemark.block where chain_id = $1 and number = $2 and hash = $3
        union all
        select from tidemark.balance_record join tidemark.position on position.id = position_id
        where chain_id = $1 and block_number = $2 and block_hash = $3
        limit 1`,
      values: [chainId, to.number, toBytes(to.hash)],
    })
    return known.length === 0 ? null : cursor
  }
}

/** Whether each header is the child of the one before, the first one of the block. */
function isLinked(block: BlockRef, headers: readonly BlockHeader[]): boolean {
  return headers.every((header, index) => {
    const parent = index === 0 ? block : headers[index - 1]
    return parent?.hash === header.parentHash && parent.number + 1n === header.number
  })
}

function notCanonical({ chainId, to }: HistoryCommit): CursorMovedError {
  return new CursorMovedError(
    `chain ${chainId}: expected block ${to.number} (${to.hash}) to be one of the chain as it is stored, got nothing that tells so`,
    { hint: 'The chain was reorganised meanwhile: the work goes on from what is stored now.' },
  )
}

function checkRows({ positionId, from, to, records }: HistoryCommit): void {
  let last = from - 1n
  for (const { block, positionId: owner } of records) {
    if (block.number <= last || block.number > to.number || owner !== positionId) {
      throw new Error(`invariant: records of position ${positionId} in ascending blocks ${from} to ${to.number}`)
    }
    last = block.number
  }
}

interface TimedRow extends CoverageRow {
  readonly from_timestamp: Date | null
  readonly to_timestamp: Date | null
}

/** @returns true when a block is known now that was not, or better than before. */
async function growCoverage(transaction: Queryable, commit: HistoryCommit, cursor: bigint): Promise<boolean> {
  const { positionId, from, to, coverage } = commit
  const rows = await transaction.query<TimedRow>({
    name: 'coverage-around',
    text: `
      select from_number, to_number, kind, from_timestamp, to_timestamp from tidemark.coverage
      where position_id = $1 and from_number <= $3::bigint + 1 and (to_number is null or to_number >= $2::bigint - 1)
      order by from_number`,
    values: [positionId, from, to.number],
  })
  const before = rows.map(readCoverage)
  const after = mergeCoverage(before, { from, to: to.number, kind: coverage }, cursor)
  const gone = before.filter((interval) => !after.some((other) => sameInterval(interval, other)))
  const fresh = after.filter((interval) => !before.some((other) => sameInterval(interval, other)))
  if (gone.length > 0) {
    await transaction.query({
      name: 'drop-coverage',
      text: 'delete from tidemark.coverage where position_id = $1 and from_number = any($2::bigint[])',
      values: [positionId, gone.map((interval) => interval.from)],
    })
  }
  if (fresh.length > 0) {
    const times = timesKnown(rows, commit)
    await transaction.query({
      name: 'add-coverage',
      text: `
        insert into tidemark.coverage (position_id, from_number, to_number, kind, from_timestamp, to_timestamp)
        select $1, * from unnest($2::bigint[], $3::bigint[], $4::text[], $5::timestamptz[], $6::timestamptz[])`,
      values: [
        positionId,
        fresh.map((interval) => interval.from),
        fresh.map((interval) => interval.to),
        fresh.map((interval) => interval.kind),
        fresh.map((interval) => times.get(interval.from) ?? null),
        fresh.map((interval) => (interval.to === null ? null : (times.get(interval.to) ?? null))),
      ],
    })
  }
  return (
    blocksOf(after, cursor) > blocksOf(before, cursor) ||
    blocksOf(after, cursor, 'exact') > blocksOf(before, cursor, 'exact')
  )
}

/** Times of blocks that may bound coverage: headers are kept only for a while. */
function timesKnown(rows: readonly TimedRow[], { to, records }: HistoryCommit): ReadonlyMap<bigint, Date> {
  const times = new Map<bigint, Date>()
  for (const row of rows) {
    if (row.from_timestamp !== null) times.set(BigInt(row.from_number), row.from_timestamp)
    if (row.to_number !== null && row.to_timestamp !== null) times.set(BigInt(row.to_number), row.to_timestamp)
  }
  for (const { block } of records) times.set(block.number, blockTime(block))
  if (to.timestampSeconds !== undefined) times.set(to.number, new Date(to.timestampSeconds * 1000))
  return times
}

function sameInterval(one: CoverageInterval, two: CoverageInterval): boolean {
  return one.from === two.from && one.to === two.to && one.kind === two.kind
}

function blocksOf(intervals: readonly CoverageInterval[], cursor: bigint, kind?: CoverageKind): bigint {
  return intervals
    .filter((interval) => kind === undefined || interval.kind === kind)
    .reduce((sum, interval) => sum + (interval.to ?? cursor) - interval.from + 1n, 0n)
}

async function planRecords(transaction: Queryable, commit: HistoryCommit, cursor: bigint): Promise<HistoryPlan> {
  const { positionId, from, to, records } = commit
  const rows = await transaction.query<RecordColumns>({
    name: 'records-around',
    text: `
      select ${recordColumns}
      from tidemark.balance_record as record
      where position_id = $1
        and block_number >= coalesce((select max(block_number) from tidemark.balance_record
                                      where position_id = $1 and block_number < $2), $2)
        and block_number <= coalesce((select min(block_number) from tidemark.balance_record
                                      where position_id = $1 and block_number > $3), $3)
      order by block_number`,
    values: [positionId, from, to.number],
  })
  const stored = rows.map((row) => readStored(positionId, row))
  const before = stored.find((row) => row.block.number < from) ?? null
  const after = stored.find((row) => row.block.number > to.number) ?? null
  const inside = stored.filter((row) => row !== before && row !== after)
  const seen = (low: bigint, high: bigint): Promise<boolean> =>
    everySeen(transaction, positionId, { low, high, cursor })
  const linkedBefore = before !== null && (await seen(before.block.number, from - 1n))
  const next = nextBefore(after, commit.next)
  const following = next ?? after
  const linkedAfter = following !== null && (await seen(to.number + 1n, following.block.number - 1n))
  return planHistory({ before, inside, after, next, wanted: records, linkedBefore, linkedAfter })
}

/** The block that was read next, unless a record tells of it, or of one before it. */
function nextBefore(after: HistoryRow | null, next: HistoryRow | undefined): HistoryRow | null {
  return next === undefined || (after !== null && after.block.number <= next.block.number) ? null : next
}

/**
 * Blocks after the rewritten ones, up to the next record, have the balance that stood at the end. Where they were read,
 * another balance at the end would make them wrong. A check against the chain found just that and puts it right.
 */
async function checkEnd(transaction: Queryable, commit: HistoryCommit, plan: HistoryPlan): Promise<void> {
  const { positionId, to, reason, next } = commit
  if (reason !== 'backfill' || plan.stoodAtEnd === plan.standsAtEnd) return
  const rows = await transaction.query<{ block: string }>({
    name: 'blocks-contradicted',
    text: `
      select greatest(from_number, $2::bigint + 1) as block
      from tidemark.coverage
      join tidemark.position on position.id = position_id
      join tidemark.chain on chain.chain_id = position.chain_id
      where position_id = $1 and (kind = 'exact' or to_number is null) and coalesce(to_number, cursor_number) > $2
        and greatest(from_number, $2::bigint + 1) < least($3::bigint, coalesce(
          (select min(block_number) from tidemark.balance_record where position_id = $1 and block_number > $2),
          cursor_number + 1))
      order by block limit 1`,
    values: [positionId, to.number, next?.block.number ?? null],
  })
  const block = rows[0]?.block
  if (block === undefined) return
  throw new HistoryContradictionError(
    `position ${positionId}: expected the balance ${plan.stoodAtEnd ?? 'none'} at block ${to.number}, got ${plan.standsAtEnd ?? 'none'}, while block ${block} was read with the former`,
    { hint: 'Rewrite history up to a block at which both agree, at the latest up to the cursor.' },
  )
}

/** True when coverage of any kind has every block from `low` to `high`. */
async function everySeen(
  transaction: Queryable,
  positionId: bigint,
  { low, high, cursor }: { readonly low: bigint; readonly high: bigint; readonly cursor: bigint },
): Promise<boolean> {
  if (low > high) return true
  const rows = await transaction.query<{ blocks: string }>({
    name: 'blocks-seen',
    text: `
      select coalesce(sum(least(coalesce(to_number, $4), $3) - greatest(from_number, $2) + 1), 0) as blocks
      from tidemark.coverage
      where position_id = $1 and from_number <= $3 and (to_number is null or to_number >= $2)`,
    values: [positionId, low, high, cursor],
  })
  return BigInt(rows[0]?.blocks ?? 0) === high - low + 1n
}

function readStored(positionId: bigint, row: RecordColumns): HistoryRow {
  return {
    positionId,
    block: {
      number: BigInt(row.block_number),
      hash: toHash(row.block_hash),
      timestampSeconds: row.timestamp.getTime() / 1000,
    },
    balance: BigInt(row.balance),
    previousBalance: toBigInt(row.previous_balance),
    transactionHashes: row.transaction_hashes.map(toHash),
    cause: row.cause,
    unexplained: BigInt(row.unexplained),
    metadata: { decimals: row.decimals, symbol: row.symbol, name: row.name },
  }
}

/** Writes what differs. When the newest record is another one afterwards, writers that remember it are refused. */
async function writeRecords(transaction: Queryable, commit: HistoryCommit, plan: HistoryPlan): Promise<void> {
  // With a note but no record to write, what is kept beside the records may be what was wrong.
  if (plan.dropped.length + plan.written.length + commit.notes.length === 0) return
  const { chainId, positionId } = commit
  if (plan.dropped.length > 0) {
    await transaction.query({
      name: 'drop-records',
      text: 'delete from tidemark.balance_record where position_id = $1 and block_number = any($2::bigint[])',
      values: [positionId, plan.dropped.map((row) => row.block.number)],
    })
  }
  await insertRecords(transaction, plan.written)
  await transaction.query({
    name: 'follow-newest-record',
    text: `
      with newest as (
        select position.id, record.block_number, record.balance
        from tidemark.position left join lateral (
          select block_number, balance from tidemark.balance_record
          where position_id = position.id order by block_number desc limit 1
        ) as record on true
        where position.id = $2
      ), followed as (
        update tidemark.position set record_number = newest.block_number, balance = newest.balance
        from newest
        where position.id = newest.id
          and (record_number is distinct from newest.block_number or position.balance is distinct from newest.balance)
        returning position.id
      )
      update tidemark.chain set rewrites = rewrites + 1 from followed where chain_id = $1`,
    values: [chainId, positionId],
  })
}

async function keepNotes(transaction: Queryable, { positionId, reason, notes }: HistoryCommit): Promise<void> {
  if (notes.length === 0) return
  await transaction.query({
    name: 'keep-notes',
    text: `
      insert into tidemark.record_correction (position_id, block_number, block_hash, stored, found, note, reason)
      select $1, entry.*, $2
      from unnest($3::bigint[], $4::bytea[], $5::numeric[], $6::numeric[], $7::text[]) as entry`,
    values: [
      positionId,
      reason,
      notes.map((note) => note.blockNumber),
      notes.map((note) => toBytes(note.blockHash)),
      notes.map((note) => note.stored?.toString() ?? null),
      notes.map((note) => note.found?.toString() ?? null),
      notes.map((note) => note.note),
    ],
  })
}

function changeOf({ positionId, from, to, reason, coverage }: HistoryCommit, plan: HistoryPlan): HistoryChange {
  const { added, removed } = plan
  const blocks = [...plan.written, ...plan.dropped].map((row) => row.block.number)
  const last = blocks.reduce((highest, number) => (number > highest ? number : highest), to.number)
  return { positionId, reason, from, to: last, coverage, added, removed }
}
