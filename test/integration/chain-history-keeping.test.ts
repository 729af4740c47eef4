import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { openHistory } from '../../src/index.js'
import type { Address, BalanceRecord, LoggedEvent } from '../../src/index.js'
import { balanceAt, createWorld, startAnvil } from '../../src/testing/index.js'
import type { Anvil, Holding, World } from '../../src/testing/index.js'
import { createRpc } from '../../src/testing/rpc.js'
import { headerAt } from '../e2e/chain-truth.js'
import { until } from '../support/until.js'
import { deploy, follow, mineActivity } from './chain-fixture.js'
import type { Follower, FollowerOptions } from './chain-fixture.js'

/** Its `balanceOf`, and everything else, answers the block's number: it grows by itself in every block. */
const growingToken = '0x684360005260206000f360b81b60005260096000f3'

let anvil: Anvil
let world: World
const closing: (() => Promise<void>)[] = []

beforeEach(async () => {
  anvil = await startAnvil({ blockTimeSeconds: 'manual' })
  closing.push(() => anvil.stop())
  world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 23, solverCount: 2 })
})

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

describe('a ledger that was damaged behind its back', () => {
  it('is repaired by the periodic comparison: records as they were, counted, and no change announced', async () => {
    const follower = await start({ syncIntervalMs: 200 })
    await follower.reached(await mineActivity(world, 12))
    const holding = await busiest(follower)
    const before = await follower.records(holding)
    const seq = await newestSeq(follower)
    await sql(
      follower,
      `update tidemark.balance_record set balance = balance + 1 where (position_id, block_number) in
      (select position_id, max(block_number) from tidemark.balance_record where block_number = $1 group by position_id)`,
      [before.at(-1)?.blockNumber],
    )
    await until('the damage is repaired', async () => {
      await follower.reached(await world.mine())
      return (await defects(follower)) > 0
    })
    const head = await world.mine()
    await follower.reached(head)
    expect(await follower.records(holding)).toEqual(before)
    const told = await follower.manager.events.read(seq, 1000)
    expect(told.filter(({ type }) => type === 'history.extended').length).toBeGreaterThan(0)
    expect(wronglyTold(told, holding)).toEqual([])
    expect(follower.log.some(({ level }) => level === 'error')).toBe(true)
  })

  it('is repaired after a restart before anything is built on it', async () => {
    const first = await start()
    const head = await mineActivity(world, 10)
    await first.reached(head)
    const holding = await busiest(first)
    const before = await first.records(holding)
    await first.manager.close()
    await sql(
      first,
      `with changed as (
        delete from tidemark.balance_record using tidemark.position
        where position.id = position_id and block_number = record_number and solver = decode($1, 'hex')
          and previous_balance is not null
        returning position_id, previous_balance)
      update tidemark.position set balance = previous_balance from changed where id = position_id`,
      [holding.solver.slice(2)],
    )
    const second = await start({ database: first.database })
    await second.reached(await world.mine())
    expect(await second.records(holding)).toEqual(before)
    expect(await defects(second)).toBeGreaterThan(0)
  })
})

describe('history without following', () => {
  it('is filled in from the beginning, verified, and repaired, beside a service that follows', async () => {
    await mineActivity(world, 25)
    const follower = await start()
    await follower.reached(await mineActivity(world, 8))
    const first = world.setupBlock
    const history = await openHistory(configOf(follower))
    closing.push(() => history.close())

    const progress: bigint[] = []
    const [filled] = await history.keeper.backfill({ fromBlock: first, onProgress: ({ done }) => progress.push(done) })
    expect(filled).toMatchObject({ positions: world.positions.length, sampled: 0 })
    expect([...(filled?.unreadable ?? [])]).toEqual([])
    expect(progress.at(-1)).toBe(filled?.blocks)
    const head = await mineActivity(world, 3)
    await follower.reached(head)
    for (const holding of world.positions) {
      await expectTruth(follower, holding, first, head)
      const { token, solver } = holding
      expect(await follower.manager.coverage(31_337n, token, solver)).toEqual([
        { from: first, to: null, kind: 'exact' },
      ])
    }

    expect(await history.keeper.verify({})).toMatchObject([{ missing: 0, wrong: 0, extra: 0, unproven: 0 }])
    await sql(follower, 'update tidemark.balance_record set balance = balance + 1 where previous_balance is null')
    const [dry] = await history.keeper.verify({ dryRun: true, sample: 1 })
    expect(dry).toMatchObject({ positions: 1, wrong: 1, repaired: 0 })
    const [repaired] = await history.keeper.verify({})
    expect(repaired).toMatchObject({ wrong: world.positions.length, repaired: world.positions.length })
    for (const holding of world.positions) await expectTruth(follower, holding, first, head)
  })

  it('of a wallet that is not watched any more is verified when the wallet is named', async () => {
    const [kept, solver] = world.solvers
    if (kept === undefined || solver === undefined) throw new Error('expected two wallets')
    const follower = await start({ solvers: [kept] })
    await follower.manager.addSolverToMonitor(solver)
    await follower.reached(await mineActivity(world, 10))
    await follower.manager.removeSolverFromMonitor(solver)
    await follower.reached(await mineActivity(world, 2))
    const positions = world.positions.filter((holding) => holding.solver === solver).length
    const others = world.positions.length - positions
    expect(await follower.manager.verify({})).toMatchObject([{ positions: others, wrong: 0, missing: 0, extra: 0 }])
    const clean = { positions, wrong: 0, missing: 0, extra: 0 }
    expect(await follower.manager.verify({ solver })).toMatchObject([clean])
    await sql(
      follower,
      `update tidemark.balance_record as record set balance = record.balance + 1 from tidemark.position
       where position.id = position_id and solver = decode($1, 'hex') and previous_balance is null`,
      [solver.slice(2)],
    )
    const repaired = await follower.manager.verify({ solver })
    expect(repaired).toMatchObject([{ ...clean, wrong: positions, repaired: positions }])
    expect(await follower.manager.verify({ solver })).toMatchObject([clean])
  })

  it('begins at a time, and ends at a block', async () => {
    await mineActivity(world, 5)
    await createRpc(anvil.rpcUrl).request('evm_increaseTime', [100])
    const from = await world.mine()
    await mineActivity(world, 5)
    const follower = await start()
    const head = await mineActivity(world, 2)
    await follower.reached(head)
    const { timestamp } = await headerAt(anvil.rpcUrl, from)
    const [report] = await follower.manager.backfill({ fromTime: new Date(timestamp), toBlock: from + 2n })
    expect(report).toMatchObject({ blocks: 3n })
    const [holding] = world.positions
    if (holding === undefined) throw new Error('expected a position')
    const [first] = (await follower.manager.coverage(31_337n, holding.token, holding.solver)) ?? []
    expect(first).toEqual({ from, to: from + 3n, kind: 'exact' })
  })
})

describe('a token that grows by itself in every block', () => {
  it('is found out, sampled from then on, and shown with the block it was read at', async () => {
    const token = await deploy(anvil, world, growingToken)
    const follower = await start({ tokens: [token, ...world.tokens.map(({ address }) => address)] })
    const [solver] = world.solvers
    if (solver === undefined) throw new Error('expected a solver')
    const holding = { token, solver }
    const base = await world.mine()
    await follower.reached(base)
    for (let count = 0; count < 30; count += 1) await follower.reached(await world.mine())
    const told = (await follower.manager.events.read(0n, 1000)).find(({ type }) => type === 'token.changed')
    expect(told?.data).toMatchObject({ tokenAddress: token, accruing: true })
    const records = await follower.records(holding)
    expect(records.length).toBeGreaterThanOrEqual(16)
    expect(records.length).toBeLessThan(25)
    const last = records.at(-1)?.blockNumber
    expect(await follower.manager.getCurrentBalance(31_337n, token, solver)).toMatchObject({
      balance: last,
      verified: { number: last },
    })
    expect((await follower.manager.coverage(31_337n, token, solver))?.map(({ kind }) => kind)).toEqual([
      'exact',
      'sampled',
    ])

    await createRpc(anvil.rpcUrl).request('evm_increaseTime', [601])
    const sampled = await world.mine()
    await follower.reached(sampled)
    expect((await follower.records(holding)).at(-1)).toMatchObject({ blockNumber: sampled, balance: sampled })
    for (const other of world.positions) await expectTruth(follower, other, undefined, sampled)
  })
})

async function start(options: Partial<FollowerOptions> = {}): Promise<Follower> {
  const tokens = world.tokens.map(({ address }) => address)
  const follower = await follow({ rpcUrls: [anvil.rpcUrl], tokens, solvers: world.solvers, ...options })
  closing.push(() => follower.close())
  return follower
}

function configOf(follower: Follower) {
  const chain = {
    chainId: 31_337n,
    name: 'Test chain',
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: [anvil.rpcUrl],
    wsUrls: [],
    tokens: [] satisfies Address[],
    blockTimeMs: null,
    pollIntervalMs: 50,
    syncIntervalMs: 300_000,
  }
  return { chains: [chain], databaseUrl: follower.database.url, dataDir: '/nowhere' }
}

async function sql(follower: Follower, text: string, values: readonly unknown[] = []): Promise<void> {
  const client = new pg.Client({ connectionString: follower.database.url })
  await client.connect()
  try {
    await client.query(text, [...values])
  } finally {
    await client.end()
  }
}

async function defects(follower: Follower): Promise<number> {
  return (await follower.manager.metrics()).chains[0]?.defects ?? 0
}

async function newestSeq(follower: Follower): Promise<bigint> {
  let seq = 0n
  for (const event of await follower.manager.events.read(0n, 10_000)) seq = event.seq
  return seq
}

/** The position with the most records. */
async function busiest(follower: Follower): Promise<Holding> {
  let best: { readonly holding: Holding; readonly records: number } | null = null
  for (const holding of world.positions) {
    const { length } = await follower.records(holding)
    if (best === null || length > best.records) best = { holding, records: length }
  }
  if (best === null || best.records < 2) throw new Error('expected a position that changed')
  return best.holding
}

/** Changes that were announced without any activity on the chain. */
function wronglyTold(events: readonly LoggedEvent[], { token, solver }: Holding): readonly LoggedEvent[] {
  return events.filter(
    ({ type, data }) => type === 'balance.updated' && data.tokenAddress === token && data.solverAddress === solver,
  )
}

/** Records are what the chain says, block by block, from their first one on. */
async function expectTruth(
  follower: Follower,
  holding: Holding,
  first: bigint | undefined,
  last: bigint,
): Promise<void> {
  const records = await follower.records(holding)
  const from = first ?? records[0]?.blockNumber
  if (from === undefined) throw new Error('expected a record')
  const expected: Pick<BalanceRecord, 'blockNumber' | 'balance' | 'previousBalance'>[] = []
  let previousBalance: bigint | null = null
  for (let blockNumber = from; blockNumber <= last; blockNumber += 1n) {
    const balance = await balanceAt(anvil.rpcUrl, holding, blockNumber)
    if (balance !== previousBalance) expected.push({ blockNumber, balance, previousBalance })
    previousBalance = balance
  }
  expect(
    records.map(({ blockNumber, balance, previousBalance: before }) => ({
      blockNumber,
      balance,
      previousBalance: before,
    })),
  ).toEqual(expected)
}
