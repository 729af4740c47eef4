import type pg from 'pg'

import type { Address } from '../../src/model/address.js'
import type { Hash, Token } from '../../src/model/position.js'

export interface StoredRecordRow {
  readonly blockNumber: bigint
  readonly blockHash: Hash
  readonly timestampSeconds: number
  readonly balance: bigint
  readonly previousBalance: bigint | null
  readonly transactionHashes: readonly Hash[]
  readonly cause: string | null
  readonly unexplained: bigint
}

export interface StoredInterval {
  readonly from: bigint
  /** Null: up to the cursor. */
  readonly to: bigint | null
  readonly kind: 'exact' | 'sampled'
}

export interface StoredPositionRows {
  readonly token: Token
  readonly solver: Address
  readonly active: boolean
  readonly accruing: boolean
  readonly staleReason: string | null
  readonly balance: bigint | null
  readonly recordNumber: bigint | null
  readonly records: readonly StoredRecordRow[]
  readonly coverage: readonly StoredInterval[]
}

/** What the database says of one chain, read with plain statements of our own. */
export interface StoredChainRows {
  readonly cursor: { readonly number: bigint; readonly hash: Hash } | null
  readonly headers: readonly { readonly number: bigint; readonly hash: Hash; readonly parentHash: Hash }[]
  readonly positions: readonly StoredPositionRows[]
}

export async function readCursor(client: pg.Client, chainId: bigint): Promise<StoredChainRows['cursor']> {
  const [chain] = await rowsOf(
    client,
    'select cursor_number, cursor_hash from tidemark.chain where chain_id = $1',
    chainId,
  )
  if (!chain?.['cursor_hash']) return null
  return { number: integer(chain['cursor_number']), hash: hex(chain['cursor_hash']) }
}

export async function readStoredChain(client: pg.Client, chainId: bigint): Promise<StoredChainRows> {
  const headers = await rowsOf(
    client,
    'select number, hash, parent_hash from tidemark.block where chain_id = $1 order by number',
    chainId,
  )
  const positions = await rowsOf(
    client,
    `select position.*, coalesce(metadata.accruing, false) as accruing from tidemark.position
     left join tidemark.token_metadata as metadata using (chain_id, token) where chain_id = $1 order by id`,
    chainId,
  )
  const records = await rowsOf(
    client,
    `select balance_record.*, extract(epoch from timestamp)::bigint as seconds from tidemark.balance_record
     join tidemark.position on position.id = position_id where chain_id = $1 order by position_id, block_number`,
    chainId,
  )
  const coverage = await rowsOf(
    client,
    `select coverage.* from tidemark.coverage join tidemark.position on position.id = position_id
     where chain_id = $1 order by position_id, from_number`,
    chainId,
  )
  return {
    cursor: await readCursor(client, chainId),
    headers: headers.map((row) => ({
      number: integer(row['number']),
      hash: hex(row['hash']),
      parentHash: hex(row['parent_hash']),
    })),
    positions: positions.map((row) => ({
      token: (row['token'] as Buffer).length === 0 ? 'native' : hex(row['token']),
      solver: hex(row['solver']),
      active: row['active'] === true,
      accruing: row['accruing'] === true,
      staleReason: row['stale_reason'] as string | null,
      balance: maybe(row['balance']),
      recordNumber: maybe(row['record_number']),
      records: records.filter((record) => record['position_id'] === row['id']).map(recordOf),
      coverage: coverage.filter((interval) => interval['position_id'] === row['id']).map(intervalOf),
    })),
  }
}

type Row = Readonly<Record<string, unknown>>

async function rowsOf(client: pg.Client, text: string, chainId: bigint): Promise<readonly Row[]> {
  return (await client.query<Row>(text, [chainId])).rows
}

function recordOf(row: Row): StoredRecordRow {
  return {
    blockNumber: integer(row['block_number']),
    blockHash: hex(row['block_hash']),
    timestampSeconds: Number(row['seconds']),
    balance: integer(row['balance']),
    previousBalance: maybe(row['previous_balance']),
    transactionHashes: (row['transaction_hashes'] as Buffer[]).map(hex),
    cause: row['cause'] as string | null,
    unexplained: integer(row['unexplained']),
  }
}

function intervalOf(row: Row): StoredInterval {
  return {
    from: integer(row['from_number']),
    to: maybe(row['to_number']),
    kind: row['kind'] === 'exact' ? 'exact' : 'sampled',
  }
}

function integer(value: unknown): bigint {
  return BigInt(value as string)
}

function maybe(value: unknown): bigint | null {
  return value === null ? null : integer(value)
}

function hex(value: unknown): `0x${string}` {
  return `0x${(value as Buffer).toString('hex')}`
}
