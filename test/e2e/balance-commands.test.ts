import { rm } from 'node:fs/promises'

import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { toChecksumAddress } from '../../src/model/address.js'
import { formatAmount } from '../../src/model/amount.js'
import { formatToken } from '../../src/model/position.js'
import { balancesAt, createWorld, hostileNameToken, revertingToken, startAnvil } from '../../src/testing/index.js'
import { createRpc } from '../../src/testing/rpc.js'
import type { Anvil, World } from '../../src/testing/index.js'
import type {
  WireBalanceRecord,
  WireBalanceSeries,
  WireCurrentBalance,
  WirePastBalance,
} from '../../src/client/index.js'
import { deploy, mineActivity } from '../integration/chain-fixture.js'
import { temporaryFolder } from '../support/service.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'
import { createService } from './chain-service.js'
import type { ServiceUnderTest } from './chain-service.js'
import { expectedRecords, headerAt, plain } from './chain-truth.js'
import { commandLine, runIntoHead } from './command-line.js'
import type { CommandLine } from './command-line.js'

type ShownBalance = WireCurrentBalance & { readonly label: string | null; readonly chainName: string }
type UnknownBalance = Pick<ShownBalance, 'tokenAddress' | 'solverAddress' | 'staleReason'> & { readonly balance: null }

type PastBalance = Omit<WirePastBalance, 'balance'> & { readonly balance: string | null }

let anvil: Anvil
let world: World
let database: TestDatabase
let service: ServiceUnderTest
let folder: string
/** Asks the running service. */
let asking: CommandLine
/** Reads the database. */
let alone: CommandLine
let hostile: string
let unreadable: string
let first: bigint
let head: bigint

const chain = '31337'
const both = (): [string, CommandLine][] => [
  ['the service', asking],
  ['the database', alone],
]

beforeAll(async () => {
  anvil = await startAnvil({ blockTimeSeconds: 'manual' })
  world = await createWorld({
    rpcUrl: anvil.rpcUrl,
    seed: 71,
    solverCount: 2,
    tokens: [
      { name: 'USD Coin', symbol: 'USDC', decimals: 6 },
      { name: 'Another coin', symbol: 'TWIN', decimals: 18 },
      { name: 'Its namesake', symbol: 'TWIN', decimals: 18 },
    ],
  })
  hostile = toChecksumAddress(await deploy(anvil, world, hostileNameToken.bytecode))
  unreadable = toChecksumAddress(await deploy(anvil, world, revertingToken.bytecode))
  database = await createTestDatabase()
  folder = await temporaryFolder()
  const settings = {
    DATABASE_URL: database.url,
    [`CHAIN_${chain}_RPC_URL`]: anvil.rpcUrl,
    [`CHAIN_${chain}_POLL_INTERVAL_MS`]: '50',
    [`CHAIN_${chain}_NAME`]: 'Testland',
    [`CHAIN_${chain}_TOKENS`]: [...world.tokens.map(({ address }) => address), hostile, unreadable].join(','),
    SOLVER_ADDRESSES: `hot=${world.solvers[0]},cold=${world.solvers[1]}`,
  }
  service = await createService(settings)
  await service.start()
  first = await createRpc(anvil.rpcUrl).quantity('eth_blockNumber', [])
  await reached(first)
  head = await mineActivity(world, 40)
  await reached(head)
  asking = commandLine(folder, { TIDEMARK_URL: service.url })
  alone = commandLine(folder, { DATABASE_URL: database.url })
  // The service tells those who read beside it how the chain is doing, with each renewal of its lease.
  await until('the chain is known to be live', async () => {
    const rows = await query<{ note: string | null }>("select note from tidemark.lease where name like 'chain:%'")
    return rows[0]?.note?.includes('"state":"live"')
  })
  // From here on nothing moves any more: answers can be compared.
  const { number: finalized } = await headerAt(anvil.rpcUrl, 'finalized')
  await until('the chain stands', async () => {
    const { items } = await service.get<{ items: { finalized: string | null }[] }>('/api/chains')
    return items[0]?.finalized === finalized.toString()
  })
})

afterAll(async () => {
  await service.dispose()
  await database.drop()
  await anvil.stop()
  await rm(folder, { recursive: true, force: true })
})

async function reached(block: bigint): Promise<void> {
  await until(`block ${block} is processed`, async () => {
    const { items } = await service.get<{ items: { processed: string | null }[] }>('/api/chains')
    return BigInt(items[0]?.processed ?? -1) >= block
  })
}

async function query<Row extends object>(text: string): Promise<readonly Row[]> {
  const client = new pg.Client(database.address)
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

describe('tidemark balance', () => {
  it('tells what the chain tells, from the service and from the database alike, and what is unknown as unknown', async () => {
    const [served, stored] = [
      await asking.json<(ShownBalance | UnknownBalance)[]>(['balance']),
      await alone.json<(ShownBalance | UnknownBalance)[]>(['balance']),
    ]
    expect(stored).toEqual(served)

    const truth = await balancesAt(anvil.rpcUrl, world.positions, head)
    const told = new Map(served.map((item) => [`${item.tokenAddress}/${item.solverAddress}`, item]))
    for (const [index, { token, solver }] of world.positions.entries()) {
      const shown = told.get(`${formatToken(token)}/${toChecksumAddress(solver)}`)
      expect(shown).toMatchObject({ balance: String(truth[index]), stale: false, chainName: 'Testland' })
    }
    expect(served.filter(({ tokenAddress }) => tokenAddress === unreadable)).toEqual(
      world.solvers.map((address, index) => ({
        chainId: chain,
        chainName: 'Testland',
        tokenAddress: unreadable,
        solverAddress: toChecksumAddress(address),
        label: ['hot', 'cold'][index],
        balance: null,
        stale: true,
        staleReason: 'not read yet',
      })),
    )
  })

  it('shows a table with points below each other, and ends with 4 where a balance is unknown', async () => {
    const { code, out, told } = await asking.run(['balance', '--exact'])
    expect(code).toBe(4)
    expect(told).toMatch(/2 balances of 14 stale or unknown:\n.*hot 0x.* on Testland: not read yet\n/)
    const lines = out.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^SOLVER WALLET +ADDRESS +CHAIN +BALANCE +TOKEN +BLOCK +AGE +CHANGED +FINALITY$/)
    expect(lines.filter((line) => /\bunknown\b/.test(line) && line.endsWith('not read yet'))).toHaveLength(2)
    const points = new Set(
      lines
        .slice(1)
        .map((line) => line.indexOf('.'))
        .filter((place) => place >= 0),
    )
    expect([...points]).toHaveLength(1)
    const [usdc] = world.tokens
    const [balance] = await balancesAt(anvil.rpcUrl, [{ token: usdc?.address ?? 'native', solver: solverAt(0) }], head)
    expect(lines.find((line) => /^hot .* USDC /.test(line))).toContain(` ${formatAmount(balance ?? -1n, 6)} `)
  })

  it('finds chain, token and wallet by name, id, symbol, label and address', async () => {
    const list = async (command: CommandLine, ...names: string[]): Promise<ShownBalance[]> => {
      const { code, out, told } = await command.run(['balance', ...names, '--json'])
      expect([code, told]).toEqual([0, ''])
      return JSON.parse(out) as ShownBalance[]
    }
    const address = String(world.tokens[0]?.address)
    const [byName, byAddress, byOption, natives] = await Promise.all([
      list(asking, 'testland', 'usdc', 'HOT'),
      list(alone, chain, address.toUpperCase().replace('0X', '0x'), solverAt(0)),
      list(alone, '--solver', 'hot', '--token', 'USDC'),
      list(asking, '--token', 'eth'),
    ])
    expect(byName).toHaveLength(1)
    expect(byName[0]).toMatchObject({
      tokenSymbol: 'USDC',
      label: 'hot',
      solverAddress: toChecksumAddress(solverAt(0)),
    })
    expect([byAddress, byOption]).toEqual([byName, byName])
    expect(natives.map(({ tokenAddress }) => tokenAddress)).toEqual(['native', 'native'])
  })

  it('ends with exit code 2 where a name stands for nothing or for several, and says what there is', async () => {
    const cases: [string[], RegExp][] = [
      [
        ['balance', chain, 'TWIN'],
        /token: expected one on Testland, got a symbol of 2: "TWIN"\nThey are 0x\w{40}, 0x\w{40}\./,
      ],
      [['balance', '--solver', `0x${'9'.repeat(40)}`], /expected a position that is or was watched/],
      [
        ['history', chain, 'USDC'],
        /expected one position, got 2 that fit\nName one of them:\n {2}31337 0x\w{40} 0x\w{40} {3}\(USDC, hot\)/,
      ],
      [['history', chain, 'USDC', 'hot', '--csv', '--json'], /expected --json or --csv, got both/],
    ]
    await Promise.all(
      cases.map(async ([args, message]) => {
        const { code, out, told } = await alone.run(args)
        expect([code, out]).toEqual([2, ''])
        expect(told).toMatch(message)
      }),
    )
  })

  it('lets no name of a token act on the terminal', async () => {
    // What comes from the chain was cleaned already; here nothing is.
    const evil = "U&'\\202E\\001B[31mEvil\\2066\\009B1m\\0007\\2028'"
    await query(`update tidemark.token_metadata set symbol = ${evil}, name = ${evil}
                 where token = decode('${hostile.slice(2)}', 'hex')`)
    await query(`update tidemark.balance_record set symbol = ${evil}, name = ${evil} where position_id in
                 (select id from tidemark.position where token = decode('${hostile.slice(2)}', 'hex'))`)
    const commands = [
      ['balance'],
      ['tokens', 'list'],
      ['tokens', 'list', '--json'],
      ['history', chain, hostile, 'hot', '--csv'],
    ]
    await Promise.all(
      commands.map(async (args) => {
        const { out, told } = await alone.run(args)
        expect(out).toContain('Evil')
        expect((out + told).replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      }),
    )
  })
})

describe('tidemark history', () => {
  it('tells every record that the chain asks for, from the service and from the database alike', async () => {
    for (const { token, solver } of world.positions.slice(0, 1)) {
      const expected = await expectedRecords(anvil.rpcUrl, [{ token, solver }], [first, head])
      for (const [way, command] of both()) {
        const { code, out, told } = await command.run(['history', chain, token, solver, '--all', '--json'])
        expect([code, told], way).toEqual([0, ''])
        const records = out
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as WireBalanceRecord)
        expect(records.map(plain).toReversed(), way).toEqual(expected)
      }
    }
  })

  it('shows the newest 20, or what of a range of blocks or times was asked for', async () => {
    const all = (
      await expectedRecords(anvil.rpcUrl, [{ token: 'native', solver: solverAt(0) }], [first, head])
    ).toReversed()
    expect(all.length).toBeGreaterThan(22)
    const blocks = async (command: CommandLine, ...options: string[]): Promise<bigint[]> => {
      const records = await command.json<WireBalanceRecord[]>(['history', chain, 'native', 'hot', ...options])
      return records.map(({ blockNumber }) => BigInt(blockNumber))
    }
    const [middle, older] = [all[5], all[9]]
    if (middle === undefined || older === undefined) throw new Error('expected more records')
    const within = all.filter(
      ({ blockNumber }) => blockNumber <= middle.blockNumber && blockNumber >= older.blockNumber,
    )
    const byBlock = ['--from', String(older.blockNumber), '--to', String(middle.blockNumber)]
    const byTime = ['--from', older.timestamp, '--to', middle.timestamp, '--limit', '500']
    const [newest, ofBlocks, served, stored] = await Promise.all([
      blocks(alone),
      blocks(asking, ...byBlock),
      blocks(asking, ...byTime),
      blocks(alone, ...byTime),
    ])
    const numbers = (records: typeof all): bigint[] => records.map(({ blockNumber }) => blockNumber)
    const times = all.filter(({ timestamp }) => timestamp <= middle.timestamp && timestamp >= older.timestamp)
    expect(newest).toEqual(numbers(all.slice(0, 20)))
    expect(ofBlocks).toEqual(numbers(within))
    expect(served).toEqual(numbers(times))
    expect(stored).toEqual(numbers(times))
  })

  it('writes comma-separated values with exact amounts', async () => {
    const args = ['history', chain, 'USDC', 'hot', '--all']
    const { code, out } = await asking.run([...args, '--csv'])
    expect(code).toBe(0)
    const newest = await alone.run(['history', chain, 'USDC', 'hot', '--limit', '1'])
    expect(newest).toMatchObject({ code: 0, told: expect.stringMatching(/^There are older records/) as unknown })
    expect(newest.out.trimEnd().split('\n')).toHaveLength(2)
    const [heading, ...lines] = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(','))
    const records = (await alone.run([...args, '--json'])).out.trimEnd().split('\n')
    const rows = lines.map((cells) => Object.fromEntries(cells.map((cell, place) => [heading?.[place] ?? '', cell])))
    expect(rows).toHaveLength(records.length)
    for (const [index, text] of records.entries()) {
      const { balance, formatted, blockNumber, timestamp, previousBalance } = JSON.parse(text) as WireBalanceRecord
      const change = previousBalance === null ? '' : String(BigInt(balance) - BigInt(previousBalance))
      expect(rows[index]).toMatchObject({ balance, formatted, blockNumber, timestamp, change, tokenSymbol: 'USDC' })
    }
  })

  it('ends quietly when its reader has seen enough', async () => {
    const args = ['history', chain, 'native', 'hot', '--all', '--json']
    const { code, out, told } = await runIntoHead(args, 1, { cwd: folder, env: { TIDEMARK_URL: service.url } })
    expect([code, told]).toEqual([0, ''])
    expect(() => JSON.parse(out.split('\n')[0] ?? '') as unknown).not.toThrow()
  })
})

describe('tidemark over time', () => {
  it('tells what each position held at a block or time, and what was not known by then as unknown', async () => {
    const block = first + 20n
    const { timestamp } = await headerAt(anvil.rpcUrl, first + 7n)
    // Blocks may share a time: the newest of them counts.
    let earlier = first + 7n
    while (earlier < head && (await headerAt(anvil.rpcUrl, earlier + 1n)).timestamp === timestamp) earlier += 1n
    for (const [at, then, chainNamed] of [
      [String(block), block, [chain]],
      [timestamp, earlier, []],
    ] as const) {
      const truth = await balancesAt(anvil.rpcUrl, world.positions, then)
      const [served, stored] = await Promise.all(
        both().map(([, command]) => command.json<PastBalance[]>(['balance', ...chainNamed, '--at', at])),
      )
      expect(stored).toEqual(served)
      const told = new Map(served?.map((item) => [`${item.tokenAddress}/${item.solverAddress}`, item]))
      for (const [index, { token, solver }] of world.positions.entries()) {
        const shown = told.get(`${formatToken(token)}/${toChecksumAddress(solver)}`)
        expect(shown).toMatchObject({ balance: String(truth[index]), certainty: 'exact' })
      }
      expect(told.get(`${unreadable}/${toChecksumAddress(solverAt(0))}`)).toMatchObject({
        balance: null,
        certainty: null,
      })
    }
    const { code, out, told } = await alone.run(['balance', chain, 'native', '--at', String(first - 1n)])
    expect([code, told]).toEqual([4, '2 balances of 2 not known exactly as of then.\n'])
    expect(out).toMatch(/^SOLVER WALLET .*\n(.* unknown .* nothing was known by then\n){2}$/)
  })

  it('works out statistics and steps as the chain gives them, by the service and alone alike', async () => {
    const position = { token: 'native', solver: solverAt(0) } as const
    const records = await expectedRecords(anvil.rpcUrl, [position], [first, head])
    const balances = records.map(({ balance }) => balance)
    const steps = balances.slice(1).map((balance, index) => balance - (balances[index] ?? 0n))
    const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n)
    const largest = (amounts: readonly bigint[]): bigint => amounts.reduce((one, other) => (one > other ? one : other))
    const expected = {
      totalRecords: records.length,
      latestBalance: String(balances.at(-1)),
      oldestBalance: String(balances[0]),
      maxBalance: String(largest(balances)),
      minBalance: String(-largest(balances.map((balance) => -balance))),
      inflow: String(sum(steps.filter((step) => step > 0n))),
      outflow: String(-sum(steps.filter((step) => step < 0n))),
      change: String(sum(steps)),
    }
    const answers = await Promise.all(both().map(([, command]) => command.json(['stats', chain, 'native', 'hot'])))
    expect(answers[0]).toMatchObject(expected)
    expect(answers[1]).toEqual(answers[0])
    const { code, out, told } = await asking.run(['stats', chain, 'native', 'hot'])
    expect([code, told]).toEqual([0, ''])
    expect(out).toMatch(/^hot \w+ on Testland\n\nfrom +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n/)
    expect(out).toMatch(new RegExp(`^highest +${formatAmount(largest(balances), 18).replace('.', '\\.')} ETH$`, 'm'))

    const series = await Promise.all(
      both().map(([, command]) =>
        command.json<WireBalanceSeries>(['history', chain, 'native', 'hot', '--points', '5']),
      ),
    )
    expect(series[1]).toEqual(series[0])
    const items = series[0]?.items ?? []
    expect(items.length).toBeLessThanOrEqual(5)
    expect(items.reduce((total, { count }) => total + count, 0)).toBe(records.length)
    expect(items.at(-1)?.last.balance).toBe(expected.latestBalance)
  })

  it('adds up the wallets of each token, and says of how many nothing is known', async () => {
    const truth = await balancesAt(anvil.rpcUrl, world.positions, head)
    const totals = new Map<string, bigint>()
    for (const [index, { token }] of world.positions.entries()) {
      totals.set(formatToken(token), (totals.get(formatToken(token)) ?? 0n) + (truth[index] ?? 0n))
    }
    const told = await asking.json<{ tokenAddress: string; balance: string; unknown: number }[]>(['balance', '--total'])
    for (const [token, total] of totals) {
      expect(told.find(({ tokenAddress }) => tokenAddress === token)).toMatchObject({
        balance: String(total),
        positions: 2,
        unknown: 0,
      })
    }
    expect(told.find(({ tokenAddress }) => tokenAddress === unreadable)).toMatchObject({ balance: null, unknown: 2 })
  })
})

describe('without any service', () => {
  it('tells the last balances that were known, and that nobody looks any more', async () => {
    await service.stop()
    const lines = await alone.json<(ShownBalance | UnknownBalance)[]>(['balance', chain, 'native'])
    const truth = await balancesAt(
      anvil.rpcUrl,
      world.solvers.map((solver) => ({ token: 'native', solver })),
      head,
    )
    expect(lines).toMatchObject(
      truth.map((balance) => ({
        balance: String(balance),
        stale: true,
        staleReason: 'no service follows this chain',
      })),
    )
    const { code, told } = await alone.run(['balance', chain, 'native', 'hot'])
    expect([code, told]).toEqual([
      4,
      '1 balance of 1 stale or unknown:\n  hot ETH on Testland: stale: no service follows this chain\n',
    ])
    expect(await asking.run(['balance'])).toMatchObject({ code: 5, out: '' })
  })
})

function solverAt(index: number): `0x${string}` {
  const solver = world.solvers[index]
  if (solver === undefined) throw new Error(`expected a wallet at ${index}`)
  return solver
}
