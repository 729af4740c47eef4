import type { BlockHeader, BlockRef } from '../../model/block.js'
import type { CoverageKind } from '../../model/chain-event.js'
import { KEPT_HEADERS } from '../../ledger/ledger-store.js'
import type {
  HistoryCommit,
  StoredChain,
  StoredCorrection,
  StoredPosition,
  StoredRecord,
} from '../../ledger/ledger-store.js'
import type { CoverageInterval } from '../../model/coverage.js'
import { refusal } from './chain-cursor.js'
import { bytesToToken, toAddress, toHash } from './bytes.js'
import { joinTouching } from './coverage-intervals.js'
import type { Queryable } from './database.js'

interface ChainRow {
  readonly genesis_hash: Buffer | null
  readonly cursor_number: string | null
  readonly safe_number: string | null
  readonly finalized_number: string | null
}

interface HeaderRow {
  readonly number: string
  readonly hash: Buffer
  readonly parent_hash: Buffer
  readonly timestamp: Date
}

/**
 * Reads a chain, making its row when there is none. With an epoch it is claimed first: whoever has an older one cannot
 * write it from then on, so that what is read here stays as it is.
 *
 * @throws {LeaseLostError} when a process with a later epoch has claimed it
 */
export async function loadChain(
  database: Queryable,
  { chainId, name }: { readonly chainId: bigint; readonly name: string },
  epoch: bigint | null,
): Promise<StoredChain> {
  const chains = await database.query<ChainRow>({
    name: 'load-chain',
    text: `
      insert into tidemark.chain (chain_id, name, lease_epoch) values ($1, $2, coalesce($3::bigint, 0))
      on conflict (chain_id) do update
      set name = excluded.name, lease_epoch = greatest(chain.lease_epoch, excluded.lease_epoch)
      where $3::bigint is null or chain.lease_epoch <= $3::bigint
      returning genesis_hash, cursor_number, safe_number, finalized_number`,
    values: [chainId, name, epoch],
  })
  if (chains.length === 0) throw await refusal(database, { chainId, from: null, epoch })
  const headers = await database.query<HeaderRow>({
    name: 'load-headers',
    text: `
      select number, hash, parent_hash, timestamp from tidemark.block
      where chain_id = $1 order by number desc limit $2`,
    values: [chainId, KEPT_HEADERS],
  })
  const row = chains[0]
  return {
    genesisHash: row?.genesis_hash ? toHash(row.genesis_hash) : null,
    headers: headers.map(readHeader).toReversed(),
    finality: { safe: toBigInt(row?.safe_number), finalized: toBigInt(row?.finalized_number) },
  }
}

interface PositionRow {
  readonly id: string
  readonly token: Buffer
  readonly solver: Buffer
  readonly balance: string | null
  readonly stale_reason: string | null
  readonly covered: boolean
  readonly fresh: boolean
  readonly decimals: number | null
  readonly symbol: string | null
  readonly name: string | null
  readonly accruing: boolean
}

export async function loadPositions(
  database: Queryable,
  chainId: bigint,
  { inactive = false }: { readonly inactive?: boolean | undefined } = {},
): Promise<readonly StoredPosition[]> {
  const rows = await database.query<PositionRow>({
    name: 'load-positions',
    text: `
      select position.id, position.token, solver, balance, stale_reason, fresh, coverage.position_id is not null as covered,
             decimals, symbol, metadata.name, coalesce(accruing, false) as accruing
      from tidemark.position
      left join tidemark.coverage on coverage.position_id = position.id and coverage.to_number is null
      left join tidemark.token_metadata as metadata
        on metadata.chain_id = position.chain_id and metadata.token = position.token
      where position.chain_id = $1 and (active or $2)
      order by position.token, position.id`,
    values: [chainId, inactive],
  })
  return rows.map((row) => ({
    id: BigInt(row.id),
    chainId,
    token: bytesToToken(row.token),
    solver: toAddress(row.solver),
    lastBalance: row.balance === null ? null : BigInt(row.balance),
    covered: row.covered,
    fresh: row.fresh,
    accruing: row.accruing,
    staleReason: row.stale_reason,
    metadata: { decimals: row.decimals, symbol: row.symbol, name: row.name },
  }))
}

interface RecordRow {
  readonly position_id: string
  readonly chain_id: string
  readonly token: Buffer
  readonly solver: Buffer
  readonly block_number: string
  readonly block_hash: Buffer
  readonly balance: string
}

export async function recordsAbove(
  database: Queryable,
  chainId: bigint,
  blockNumber: bigint,
): Promise<readonly StoredRecord[]> {
  const rows = await database.query<RecordRow>({
    name: 'records-above',
    text: `
      select position.id as position_id, chain_id, token, solver, block_number, block_hash, record.balance
      from tidemark.position
      cross join lateral (
        select block_number, block_hash, balance from tidemark.balance_record
        where position_id = position.id and block_number > $2
        offset 0
      ) as record
      where chain_id = $1 and record_number > $2
      order by block_number desc, position_id`,
    values: [chainId, blockNumber],
  })
  return rows.map(readRecord)
}

export async function recordsAt(
  database: Queryable,
  positionIds: readonly bigint[],
  blockNumber: bigint,
): Promise<readonly StoredRecord[]> {
  if (positionIds.length === 0) return []
  const rows = await database.query<RecordRow>({
    name: 'records-at',
    text: `
      select position_id, chain_id, token, solver, block_number, block_hash, record.balance
      from tidemark.position
      cross join lateral (
        select * from tidemark.balance_record
        where position_id = position.id and block_number <= $2
        order by block_number desc limit 1
      ) as record
      where position.id = any($1::bigint[])`,
    values: [positionIds, blockNumber],
  })
  return rows.map(readRecord)
}

export async function recordsBetween(
  database: Queryable,
  positionId: bigint,
  { from, to, limit }: { readonly from: bigint; readonly to: bigint; readonly limit: number },
): Promise<readonly StoredRecord[]> {
  const rows = await database.query<RecordRow>({
    name: 'records-between',
    text: `
      select position_id, chain_id, token, solver, block_number, block_hash, record.balance
      from tidemark.balance_record as record
      join tidemark.position on position.id = position_id
      where position_id = $1 and block_number between $2 and $3
      order by block_number
      limit $4`,
    values: [positionId, from, to, limit],
  })
  return rows.map(readRecord)
}

export interface CoverageRow {
  readonly from_number: string
  readonly to_number: string | null
  readonly kind: CoverageKind
}

export async function selectCoverage(database: Queryable, positionId: bigint): Promise<readonly CoverageInterval[]> {
  const rows = await database.query<CoverageRow>({
    name: 'coverage',
    text: 'select from_number, to_number, kind from tidemark.coverage where position_id = $1 order by from_number',
    values: [positionId],
  })
  return joinTouching(rows.map(readCoverage))
}

export function readCoverage(row: CoverageRow): CoverageInterval {
  return { from: BigInt(row.from_number), to: toBigInt(row.to_number), kind: row.kind }
}

/** A chain has one canonical hash for each number, so the records of one block name the same one. */
export async function knownBlocks(
  database: Queryable,
  chainId: bigint,
  below: bigint,
  limit: number,
): Promise<readonly BlockRef[]> {
  const rows = await database.query<{ readonly number: string; readonly hash: Buffer }>({
    name: 'known-blocks',
    text: `
      (select number, hash from tidemark.block
       where chain_id = $1 and number < $2 order by number desc limit $3)
      union
      (select distinct on (block_number) block_number, block_hash
       from tidemark.balance_record join tidemark.position on position.id = position_id
       where chain_id = $1 and block_number < $2
       order by block_number desc limit $3)
      order by number desc limit $3`,
    values: [chainId, below, limit],
  })
  return rows.map((row) => ({ number: BigInt(row.number), hash: toHash(row.hash) }))
}

interface CorrectionRow {
  readonly block_number: string
  readonly block_hash: Buffer
  readonly stored: string | null
  readonly found: string | null
  readonly reason: HistoryCommit['reason']
  readonly note: string
  readonly at: Date
}

export async function corrections(
  database: Queryable,
  positionId: bigint,
  limit: number,
): Promise<readonly StoredCorrection[]> {
  const rows = await database.query<CorrectionRow>({
    name: 'corrections',
    text: `
      select block_number, block_hash, stored, found, reason, note, at
      from tidemark.record_correction where position_id = $1 order by id desc limit $2`,
    values: [positionId, limit],
  })
  return rows.map((row) => ({
    blockNumber: BigInt(row.block_number),
    blockHash: toHash(row.block_hash),
    stored: toBigInt(row.stored),
    found: toBigInt(row.found),
    reason: row.reason,
    note: row.note,
    at: row.at,
  }))
}

function readHeader(row: HeaderRow): BlockHeader {
  return {
    number: BigInt(row.number),
    hash: toHash(row.hash),
    parentHash: toHash(row.parent_hash),
    timestampSeconds: row.timestamp.getTime() / 1000,
  }
}

function readRecord(row: RecordRow): StoredRecord {
  return {
    positionId: BigInt(row.position_id),
    position: { chainId: BigInt(row.chain_id), token: bytesToToken(row.token), solver: toAddress(row.solver) },
    blockNumber: BigInt(row.block_number),
    blockHash: toHash(row.block_hash),
    balance: BigInt(row.balance),
  }
}

export function toBigInt(text: string | null | undefined): bigint | null {
  return text === null || text === undefined ? null : BigInt(text)
}
