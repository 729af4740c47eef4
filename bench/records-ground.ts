import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pg from 'pg'

import type { Address } from '../src/model/address.js'
import type { BlockHeader } from '../src/model/block.js'
import { silentLogger } from '../src/model/logger.js'
import type { Hash } from '../src/model/position.js'
import { startEmbeddedPostgres } from '../src/storage/postgres/embedded/start-embedded-postgres.js'
import { openPostgresStorage } from '../src/storage/postgres/postgres-storage.js'
import type { Storage } from '../src/storage/postgres/postgres-storage.js'
import { idleWallets } from './stage.js'
import { timed } from './depth-ground.js'

export const CHAIN_ID = 1n
export const CHAIN_NAME = 'Bench'
const SOLVERS = 2500
/** Native and three tokens of each solver. */
const TOKENS: readonly Address[] = ['a1', 'b2', 'c3'].map((byte): Address => `0x${byte.repeat(20)}`)
export const POSITIONS: number = SOLVERS * (TOKENS.length + 1)
/** Every so many records one is of the first position. */
const BIG_EVERY = 100
export const YEAR_MS: number = 365 * 86_400_000
const BLOCK_SECONDS = 12
const BLOCKS = YEAR_MS / 1000 / BLOCK_SECONDS
const FIRST_BLOCK = 20_000_000
const CHUNK_ROWS = 250_000
const KEPT_HEADERS = 256

/** A server of its own with a year of records of 10,000 positions in it, each one scattered over the table. */
export interface RecordsGround {
  readonly storage: Storage
  /** For a plain connection beside the service's own. */
  readonly address: pg.ClientConfig
  readonly rows: number
  /** Of the first position. */
  readonly bigRows: number
  readonly beginMs: number
  readonly cursor: BlockHeader
  readonly fillSeconds: number
  readonly sizeMiB: number
  close(): Promise<void>
}

export async function layRecordsGround(rows: number): Promise<RecordsGround> {
  const dataDir = await mkdtemp(join(tmpdir(), 'tidemark-bench-records-'))
  const server = await startEmbeddedPostgres({ dataDir, logger: silentLogger })
  const { host, port, user, database } = server.connection
  const databaseUrl = `postgresql://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
  const storage = await openPostgresStorage({ databaseUrl, dataDir }, silentLogger)
  const close = async (): Promise<void> => {
    await storage.close()
    await server.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
  try {
    await storage.watchList.applyConfiguration({
      chains: [{ chainId: CHAIN_ID, name: CHAIN_NAME, tokens: TOKENS }],
      solvers: idleWallets(SOLVERS).map((address) => ({ address, label: null })),
    })
    const client = new pg.Client(server.connection)
    await client.connect()
    // Whole seconds, as blocks have them.
    const beginMs = Math.floor((Date.now() - YEAR_MS) / 1000) * 1000
    const fillSeconds = await timed(() => fill(client, rows, beginMs))
    const headers = newestHeaders(beginMs)
    await storage.ledger.commitStart(CHAIN_ID, hashOf(FIRST_BLOCK), headers)
    await settle(client)
    const size = await client.query<{ size: string }>('select pg_database_size(current_database()) as size')
    await client.end()
    const sizeMiB = Number(size.rows[0]?.size) / 2 ** 20
    const bigRows = Math.ceil(rows / BIG_EVERY)
    const cursor = headers.at(-1)
    if (cursor === undefined) throw new Error('invariant: some headers are kept')
    return { storage, address: server.connection, rows, bigRows, beginMs, cursor, fillSeconds, sizeMiB, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The block at a number's place in the year; its hash says nothing but its number. */
export function headerOf(number: number, beginMs: number): BlockHeader {
  const timestampSeconds = beginMs / 1000 + (number - FIRST_BLOCK) * BLOCK_SECONDS
  return { number: BigInt(number), hash: hashOf(number), parentHash: hashOf(number - 1), timestampSeconds }
}

function hashOf(number: number): Hash {
  return `0x${createHash('sha256').update(String(number)).digest('hex')}`
}

function newestHeaders(beginMs: number): readonly BlockHeader[] {
  const newest = FIRST_BLOCK + BLOCKS
  return Array.from({ length: KEPT_HEADERS }, (_, index) => headerOf(newest - KEPT_HEADERS + 1 + index, beginMs))
}

/** In the order of blocks, as catching up writes them, with every index in its place. */
async function fill(client: pg.Client, rows: number, beginMs: number): Promise<void> {
  const ids = await client.query<{ first: string; count: string }>(
    'select min(id) as first, count(*) as count from tidemark.position having max(id) - min(id) + 1 = count(*)',
  )
  if (Number(ids.rows[0]?.count) !== POSITIONS) throw new Error(`invariant: ${POSITIONS} positions with ids in a row`)
  await client.query('set synchronous_commit = off')
  for (let begin = 0; begin < rows; begin += CHUNK_ROWS) {
    const end = Math.min(rows, begin + CHUNK_ROWS)
    console.error(`records: filling, ${end} of ${rows} …`)
    await client.query({ text: fillStatement, values: [begin, end, rows, Number(ids.rows[0]?.first), beginMs / 1000] })
  }
}

/** The balance after a position's k-th record. */
const balanceOf = (k: string): string =>
  `((1000000 + (${k} * 7919 + place * 104729) % 500000)::numeric * 1000000000000 + ${k} % 1000)`

const fillStatement = `
  with numbered as (
    select ${FIRST_BLOCK} + n * ${BLOCKS} / $3::bigint as number,
           case when n % ${BIG_EVERY} = 0 then 0 else 1 + (n - n / ${BIG_EVERY} - 1) % ${POSITIONS - 1} end as place,
           case when n % ${BIG_EVERY} = 0 then n / ${BIG_EVERY} else (n - n / ${BIG_EVERY} - 1) / ${POSITIONS - 1} end as k
    from generate_series($1::bigint, $2::bigint - 1) as n
  )
  insert into tidemark.balance_record (position_id, block_number, block_hash, timestamp, balance, previous_balance,
    transaction_hashes, cause, unexplained, decimals, symbol, name)
  select $4::bigint + place, number, sha256(number::text::bytea),
         to_timestamp($5::bigint + (number - ${FIRST_BLOCK}) * ${BLOCK_SECONDS}),
         ${balanceOf('k')}, case when k = 0 then null else ${balanceOf('(k - 1)')} end,
         case when k = 0 then '{}' else array[sha256((number * 100000 + place)::text::bytea)] end,
         case when k = 0 then null else 'transfer' end, 0, 18, 'BNC', 'Bench Coin'
  from numbered order by number, place`

/** What commits would have left beside the records, and what autovacuum does. */
async function settle(client: pg.Client): Promise<void> {
  console.error('records: positions, coverage, vacuum …')
  await client.query(`
    insert into tidemark.coverage (position_id, from_number, kind)
    select position_id, min(block_number), 'exact' from tidemark.balance_record group by position_id`)
  await client.query(`
    update tidemark.position set record_number = newest.block_number, balance = newest.balance, fresh = false
    from (select position_id, max(block_number) as number from tidemark.balance_record group by position_id) as last
    join tidemark.balance_record as newest on newest.position_id = last.position_id and block_number = last.number
    where position.id = last.position_id`)
  await client.query(`
    insert into tidemark.token_metadata (chain_id, token, decimals, symbol, name)
    select distinct chain_id, token, 18, 'BNC', 'Bench Coin' from tidemark.position`)
  await client.query('vacuum analyze')
}
