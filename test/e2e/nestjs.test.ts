import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestContext } from 'vitest'

import { toChecksumAddress } from '../../src/index.js'
import { CHAIN_ID, serve, wallet } from '../integration/model-fixture.js'
import { follow } from '../integration/chain-fixture.js'
import type { ServedModelChain } from '../../src/testing/model-chain/start-model-chain.js'
import { createTestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'
import { installApplication } from './nest-application.js'
import type { ExampleName, InstalledApplication, RunningApplication } from './nest-application.js'

const ETHER = 10n ** 18n
const [payer, payee] = [wallet(1), wallet(2)]
const apiKey = 'the-secret-of-the-nestjs-example-01'
/** A process that died holds its part in the group so long, and some time goes by until another one asks. */
const TAKEOVER_MS = 30_000

interface Change {
  readonly seq: string
  readonly chainId: string
  readonly tokenAddress: string
  readonly solverAddress: string
  readonly previousBalance: string
  readonly newBalance: string
  readonly changeAmount: string
  readonly blockNumber: string
  readonly blockHash: string
  readonly timestamp: string
  readonly transactionHash?: string
}

const changesOf = async (application: RunningApplication): Promise<Change[]> =>
  (await application.get('/changes')) as Change[]

/** A chain, a database, a process that follows the one into the other, and applications on it. */
interface World {
  readonly chain: ServedModelChain['chain']
  run(): Promise<RunningApplication>
  /** A payment in a block of its own; resolves when it is committed. */
  pay(value: bigint): Promise<void>
  query(text: string): Promise<Record<string, unknown>[]>
}

async function openWorld(
  example: ExampleName,
  installed: InstalledApplication,
  onTestFinished: TestContext['onTestFinished'],
): Promise<World> {
  const served = await serve({ wallets: [payer, payee].map((address) => ({ address, balance: 100n * ETHER })) })
  const database = await createTestDatabase()
  // Another process follows the chain, so that blocks are committed whatever the applications do.
  const follower = await follow({ rpcUrls: [served.rpcUrl], tokens: [], solvers: [payer, payee], database })
  const running: RunningApplication[] = []
  onTestFinished(async () => {
    for (const application of running) application.kill('SIGKILL')
    await Promise.all(running.map((application) => application.exited()))
    await follower.close()
    await database.drop()
    await served.close()
  })
  served.chain.mineEmpty(2)
  await follower.reached(served.chain.head.number)
  return {
    chain: served.chain,
    run: async () => {
      const application = await installed.run(environmentOf(example, database.url, served.rpcUrl))
      running.push(application)
      return application
    },
    pay: async (value) => {
      served.chain.mine([{ kind: 'transfer', from: payer, to: payee, value }])
      await follower.reached(served.chain.head.number)
    },
    query: async (text) => {
      const client = new pg.Client(database.url)
      await client.connect()
      try {
        return (await client.query<Record<string, unknown>>(text)).rows
      } finally {
        await client.end()
      }
    },
  }
}

function environmentOf(example: ExampleName, databaseUrl: string, rpcUrl: string): Record<string, string> {
  const wallets = [payer, payee].join(',')
  return example === 'nestjs-app'
    ? {
        DATABASE_URL: databaseUrl,
        [`CHAIN_${CHAIN_ID}_RPC_URL`]: rpcUrl,
        SOLVER_ADDRESSES: wallets,
        API_KEYS: `viewer:read+write:${apiKey}`,
      }
    : {
        TREASURY_DATABASE_URL: databaseUrl,
        CHAIN_ID: CHAIN_ID.toString(),
        RPC_URL: rpcUrl,
        WALLETS: wallets,
        API_PORT: '0',
      }
}

/** What the payee got, in the order of the calls. */
const received = async (application: RunningApplication): Promise<bigint[]> =>
  (await changesOf(application))
    .filter(({ solverAddress }) => solverAddress === toChecksumAddress(payee))
    .map(({ changeAmount }) => BigInt(changeAmount))

// Most of the time of these tests is waiting for what a dead process held.
describe.concurrent.each<{ example: ExampleName; what: string }>([
  { example: 'nestjs-app', what: 'NestJS 12, ESM' },
  { example: 'nestjs-app-commonjs', what: 'NestJS 11, CommonJS' },
])('an application of $what', { timeout: 180_000 }, ({ example }) => {
  let installed: InstalledApplication

  beforeAll(async () => {
    installed = await installApplication(example)
  }, 60_000)
  afterAll(() => installed.remove())

  it('injects the service by its class, has the documented fields in @OnEvent("balance.updated"), and stops in order', async ({
    onTestFinished,
  }) => {
    const { chain, run, pay, query } = await openWorld(example, installed, onTestFinished)
    const application = await run()
    const path = `/balances/${CHAIN_ID}/native/${payee}`
    expect(await application.get(path)).toMatchObject({ balance: (100n * ETHER).toString(), formatted: '100' })
    await pay(7n * ETHER)
    await until('the handler was called', async () => (await received(application)).length === 1)
    const { number, hash, transactions } = chain.head
    const changes = await changesOf(application)
    expect(changes.find(({ solverAddress }) => solverAddress === toChecksumAddress(payee))).toMatchObject({
      chainId: CHAIN_ID.toString(),
      tokenAddress: 'native',
      solverAddress: toChecksumAddress(payee),
      previousBalance: (100n * ETHER).toString(),
      newBalance: (107n * ETHER).toString(),
      changeAmount: (7n * ETHER).toString(),
      blockNumber: number.toString(),
      blockHash: hash,
      transactionHash: transactions[0]?.hash,
    })
    expect(await application.get(`${path}/history?limit=1`)).toMatchObject([{ balance: (107n * ETHER).toString() }])
    expect(await application.get('/health')).toMatchObject({
      status: 'ok',
      details: { tidemark: { status: 'up', chains: [{ chainId: CHAIN_ID.toString() }] } },
    })
    application.kill('SIGTERM')
    expect(await application.exited()).toEqual({ code: null, signal: 'SIGTERM' })
    expect(application.output()).not.toMatch(/error|unhandled/i)
    const standing = await query(`
      select consumer.seq = log.seq as handled, lease.holder
      from tidemark.event_consumer as consumer, tidemark.event_log as log, tidemark.lease
      where consumer.name = 'group:default' and lease.name = 'consumer:group:default'`)
    expect(standing).toEqual([{ handled: true, holder: null }])
  })

  it('shares the events with another process, and has them after a kill -9 between commit and emission', async ({
    onTestFinished,
  }) => {
    const { run, pay } = await openWorld(example, installed, onTestFinished)
    const first = await run()
    await pay(1n)
    await until('the first process has it', async () => (await received(first)).length === 1)
    const second = await run()
    for (const value of [2n, 3n]) await pay(value)
    await until('it has these too', async () => (await received(first)).length === 3)
    expect(await received(second)).toEqual([])
    first.kill('SIGTERM')
    await first.exited()
    await pay(4n)
    await until('the other one goes on', async () => (await received(second)).length > 0)
    expect(await received(second)).toEqual([4n])
    // Frozen, it cannot emit what is committed meanwhile; then it dies without a word.
    second.kill('SIGSTOP')
    for (const value of [5n, 6n]) await pay(value)
    second.kill('SIGKILL')
    await second.exited()
    const third = await run()
    await pay(7n)
    await until('all came', async () => (await received(third)).includes(7n), TAKEOVER_MS)
    // The last one before may come again: that it was handled may not have been noted.
    expect((await received(third)).filter((value) => value !== 4n)).toEqual([5n, 6n, 7n])
  })
})
