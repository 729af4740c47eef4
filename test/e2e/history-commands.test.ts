import { rm } from 'node:fs/promises'

import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { createWorld, startAnvil } from '../../src/testing/index.js'
import type { Anvil, World } from '../../src/testing/index.js'
import { createRpc } from '../../src/testing/rpc.js'
import { follow, mineActivity } from '../integration/chain-fixture.js'
import { runService, temporaryFolder } from '../support/service.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { formatToken } from '../../src/model/position.js'
import type { Token } from '../../src/model/position.js'
import { toChecksumAddress } from '../../src/model/address.js'
import { expectedRecords } from './chain-truth.js'
import type { PlainRecord } from './chain-truth.js'

let anvil: Anvil
let world: World
let database: TestDatabase
let folder: string

beforeEach(async () => {
  anvil = await startAnvil({ blockTimeSeconds: 'manual' })
  world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 23, solverCount: 2 })
  database = await createTestDatabase()
  folder = await temporaryFolder()
})

afterEach(async () => {
  await database.drop()
  await anvil.stop()
  await rm(folder, { recursive: true, force: true })
})

describe('commands that work on history', () => {
  it('verify finds records that were changed or deleted, repairs them, and then is content', async () => {
    const { first, head } = await watch(30)
    expect(await run('verify')).toMatchObject({ code: 0, reports: [{ wrong: 0, missing: 0, extra: 0 }] })

    await plant()
    const dry = await run('verify', '--dry-run')
    expect(dry).toMatchObject({ code: 3, reports: [{ repaired: 0 }] })
    expect(await run('verify')).toMatchObject({ code: 3 })
    expect(await run('verify')).toMatchObject({ code: 0, reports: [{ wrong: 0, missing: 0, extra: 0 }] })
    expect(await stored()).toEqual(await expected(first, head))
  })

  it('verify --proof tells a native balance that the block’s hash does not commit to', async () => {
    await watch(12)
    const proven = await run('verify', '--proof')
    expect(proven).toMatchObject({ code: 0, reports: [{ positions: 2, contradicted: 0 }] })
    expect(Number(proven.reports[0]?.['proven'])).toBeGreaterThan(2)
    await sql(`update tidemark.balance_record set balance = balance + 1
               where position_id = (select min(id) from tidemark.position where token = '')
                 and block_number = (select min(block_number) from tidemark.balance_record)`)
    expect(await run('verify', '--proof')).toMatchObject({ code: 3, reports: [{ contradicted: 1 }] })
  })

  it('backfill makes the history of blocks before the first start what watching them would have made it', async () => {
    await mineActivity(world, 25)
    const { head } = await watch(5)
    const filled = await run('backfill', '--from', String(world.setupBlock))
    expect(filled.code, filled.log).toBe(0)
    expect(await stored()).toEqual(await expected(world.setupBlock, head))
    const again = await run('backfill', '--from', String(world.setupBlock))
    expect(again).toMatchObject({ code: 0, reports: [{ records: 0, blocks: '0' }] })
    expect(await run('verify')).toMatchObject({ code: 0 })
  })

  it.each([
    [['verify', '--chain', '5'], '--chain: expected a configured chain, got "5"'],
    [['verify', '--sample', 'few'], '--sample: expected a whole number above 0, got "few"'],
    [['backfill', '--from', 'yesterday'], '--from: expected a block number or a time'],
    [['backfill', '--solver', '0x12'], '--solver: expected 0x and 40 hexadecimal digits, got "0x12"'],
  ])('%j is refused with the option, what was expected and what came', async (args, message) => {
    const { code, log } = await command(args)
    expect({ code, log }).toEqual({ code: 2, log: expect.stringContaining(message) as string })
  })
})

/** Follows the chain in this process for some blocks of activity; the first and the newest block it saw. */
async function watch(blocks: number): Promise<{ readonly first: bigint; readonly head: bigint }> {
  const follower = await follow({
    rpcUrls: [anvil.rpcUrl],
    tokens: world.tokens.map(({ address }) => address),
    solvers: world.solvers,
    database,
  })
  const first = await createRpc(anvil.rpcUrl).quantity('eth_blockNumber', [])
  await follower.reached(first)
  const head = await mineActivity(world, blocks)
  await follower.reached(head)
  await follower.close()
  return { first, head }
}

/** One record is changed, and one is taken away. */
async function plant(): Promise<void> {
  await sql(`
    with records as (
      select position_id, block_number, row_number() over (order by block_number, position_id) as place
      from tidemark.balance_record where previous_balance is not null
    )
    update tidemark.balance_record as record set balance = record.balance + 7
    from records where records.place = 3 and record.position_id = records.position_id
      and record.block_number = records.block_number`)
  await sql(`
    with records as (
      select position_id, block_number, row_number() over (order by block_number, position_id) as place
      from tidemark.balance_record where previous_balance is not null
    )
    delete from tidemark.balance_record as record
    using records where records.place = 9 and record.position_id = records.position_id
      and record.block_number = records.block_number`)
}

async function sql(text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end()
  }
}

async function expected(first: bigint, last: bigint): Promise<readonly PlainRecord[]> {
  return sorted(await expectedRecords(anvil.rpcUrl, world.positions, [first, last]))
}

/** What the database holds, read past everything of ours. */
async function stored(): Promise<readonly PlainRecord[]> {
  const rows = await sql(`
    select encode(token, 'hex') as token, encode(solver, 'hex') as solver, block_number, encode(block_hash, 'hex') as hash,
           timestamp, record.balance, previous_balance
    from tidemark.balance_record as record join tidemark.position on position.id = position_id`)
  return sorted(
    rows.map((row) => ({
      position: `${formatToken(row['token'] === '' ? 'native' : (`0x${String(row['token'])}` as Token))}/${toChecksumAddress(`0x${String(row['solver'])}`)}`,
      blockNumber: BigInt(String(row['block_number'])),
      blockHash: `0x${String(row['hash'])}`,
      timestamp: (row['timestamp'] as Date).toISOString(),
      balance: BigInt(String(row['balance'])),
      previousBalance: row['previous_balance'] === null ? null : BigInt(String(row['previous_balance'])),
    })),
  )
}

function sorted(records: readonly PlainRecord[]): readonly PlainRecord[] {
  return records.toSorted((a, b) => Number(a.blockNumber - b.blockNumber) || (a.position < b.position ? -1 : 1))
}

interface CommandResult {
  readonly code: number | null
  readonly log: string
}

async function run(
  ...args: readonly string[]
): Promise<CommandResult & { readonly reports: readonly Record<string, unknown>[] }> {
  const { code, log, out } = await command([...args, '--json'])
  expect(out, log).not.toBe('')
  return { code, log, reports: JSON.parse(out) as Record<string, unknown>[] }
}

async function command(args: readonly string[]): Promise<CommandResult & { readonly out: string }> {
  const service = runService({
    args,
    cwd: folder,
    env: {
      DATABASE_URL: database.url,
      CHAIN_31337_RPC_URL: anvil.rpcUrl,
      CHAIN_31337_TOKENS: world.tokens.map(({ address }) => address).join(','),
      SOLVER_ADDRESSES: world.solvers.join(','),
    },
  })
  const { code } = await service.exited()
  return { code, log: service.log(), out: service.stdout() }
}
