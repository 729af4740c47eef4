import { Controller, Get, Injectable, Module } from '@nestjs/common'
import type { DynamicModule, INestApplication, Type } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { EventEmitterModule, OnEvent } from '@nestjs/event-emitter'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { HealthCheckService, TerminusModule } from '@nestjs/terminus'
import pg from 'pg'
import { io } from 'socket.io-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { BalanceManagerHealthIndicator, BalanceManagerModule, BalanceManagerService } from '../../src/nestjs/index.js'
import type {
  BalanceManagerEvents,
  BalanceManagerModuleOptions,
  BalanceRecord,
  BalanceTotal,
  PastBalance,
} from '../../src/nestjs/index.js'
import { toChecksumAddress } from '../../src/index.js'
import type { Address, TidemarkConfigInput } from '../../src/index.js'
import type { ServedModelChain } from '../../src/testing/model-chain/start-model-chain.js'
import { recordLog } from '../support/log-recorder.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'
import { CHAIN_ID, serve, wallet } from './model-fixture.js'

const ETHER = 10n ** 18n
const [payer, payee, late] = [wallet(1), wallet(2), wallet(3)]
const dollar: Address = `0x${'d0'.repeat(20)}`
const secret = 'the-secret-of-the-nestjs-tests-001'

const eventNames = [
  'balance.updated',
  'balance.reverted',
  'position.started',
  'snapshot.saved',
  'watch-list.changed',
] as const satisfies readonly (keyof BalanceManagerEvents)[]

/** A module, or any other class that its decorator makes what it is. */
function decorated(...decorators: readonly ClassDecorator[]): Type {
  // oxlint-disable-next-line typescript/no-extraneous-class -- Nest knows everything by its class
  class Decorated {}
  for (const decorate of decorators) decorate(Decorated)
  return Decorated
}

/** What `@OnEvent` handlers were given, in order. */
type Heard = { name: string; payload: unknown }[]

/** A provider with a handler for each event, as an application has; its decorators are applied by hand. */
function listenerOf(heard: Heard): Type {
  const Listener = decorated(Injectable())
  for (const name of eventNames) {
    const method = `on ${name}`
    const value = (payload: unknown): void => void heard.push({ name, payload })
    Object.defineProperty(Listener.prototype, method, { value, configurable: true, writable: true })
    OnEvent(name)(Listener.prototype, method, { value })
  }
  return Listener
}

/** A route of the application's own beside ours. */
class HostController {
  greeting(): { readonly from: string } {
    return { from: 'the application' }
  }
}
Controller()(HostController)
const greeting = Object.getOwnPropertyDescriptor(HostController.prototype, 'greeting')
if (greeting !== undefined) Get('api/greeting')(HostController.prototype, 'greeting', greeting)

const sumOf = (...balances: (bigint | 'unreadable')[]): bigint =>
  balances.reduce<bigint>((sum, balance) => sum + BigInt(balance), 0n)

describe('the NestJS module', () => {
  let served: ServedModelChain
  let database: TestDatabase
  const applications: INestApplication[] = []

  beforeEach(async () => {
    database = await createTestDatabase()
    served = await serve({
      wallets: [payer, payee, late].map((address) => ({ address, balance: 100n * ETHER })),
      tokens: [{ kind: 'plain', address: dollar, name: 'Dollar', symbol: 'USD', decimals: 6 }],
    })
  })

  afterEach(async () => {
    for (const application of applications.splice(0)) await application.close()
    await database.drop()
    await served.close()
  })

  const config = (more: Partial<TidemarkConfigInput> = {}): TidemarkConfigInput => ({
    chains: { [CHAIN_ID.toString()]: { rpcUrl: served.rpcUrl, tokens: [dollar], pollIntervalMs: 100 } },
    solvers: [payer, payee],
    databaseUrl: database.url,
    logLevel: 'warn',
    ...more,
  })

  interface StartOptions {
    readonly options?: BalanceManagerModuleOptions
    readonly imports?: readonly DynamicModule[]
    readonly heard?: Heard
    readonly fastify?: boolean
  }

  const start = async ({ options, imports, heard, fastify }: StartOptions = {}): Promise<INestApplication> => {
    const module = Module({
      imports: [
        ...(imports ?? [EventEmitterModule.forRoot()]),
        BalanceManagerModule.forRoot(options ?? { config: config() }),
      ],
      controllers: [HostController],
      providers: heard === undefined ? [] : [listenerOf(heard)],
    })
    const AppModule = decorated(module)
    const settings = { logger: false, abortOnError: false } as const
    const application = await (fastify === true
      ? NestFactory.create(AppModule, new FastifyAdapter(), settings)
      : NestFactory.create(AppModule, settings))
    applications.push(application)
    await application.listen(0, '127.0.0.1')
    return application
  }

  const serviceOf = (application: INestApplication): BalanceManagerService => application.get(BalanceManagerService)
  /** Mines, and waits until the block is processed. */
  const mine = async (
    application: INestApplication,
    content: Parameters<ServedModelChain['chain']['mine']>[0] = [],
  ): Promise<void> => {
    served.chain.mine(content)
    await until('the block is processed', async () => {
      const [chain] = await serviceOf(application).getChains()
      return (chain?.processed ?? -1n) >= served.chain.head.number
    })
  }
  const truth = (token: Address | 'native', solver: Address): bigint | 'unreadable' =>
    served.chain.balanceAt(served.chain.head.hash, token, solver)

  it('getCurrentBalance answers for a token and for the native currency, in the documented order of arguments', async () => {
    const application = await start()
    const service = serviceOf(application)
    await mine(application)
    await mine(application, [
      { kind: 'token-mint', token: dollar, to: payee, value: 5_250_000n },
      { kind: 'transfer', from: payer, to: payee, value: 3n * ETHER },
    ])
    const { number, hash, timestampSeconds } = served.chain.head
    const inToken = await service.getCurrentBalance(CHAIN_ID, dollar.toUpperCase().replace('0X', '0x'), payee)
    expect(inToken).toMatchObject({
      chainId: CHAIN_ID,
      tokenAddress: toChecksumAddress(dollar),
      solverAddress: toChecksumAddress(payee),
      balance: truth(dollar, payee),
      formatted: '5.25',
      blockNumber: number,
      blockHash: hash,
      timestamp: new Date(timestampSeconds * 1000),
      decimals: 6,
      tokenSymbol: 'USD',
      tokenName: 'Dollar',
      stale: false,
    })
    expect(truth(dollar, payee)).toBe(5_250_000n)
    const native = await service.getCurrentBalance(CHAIN_ID, 'native', payee)
    expect(native).toMatchObject({ tokenAddress: 'native', balance: 103n * ETHER, decimals: 18 })
    expect(await service.getCurrentBalance(CHAIN_ID, 'native', late), 'not watched').toBeNull()
    await expect(service.getCurrentBalance(CHAIN_ID, 'ether', payee)).rejects.toMatchObject({
      code: 'invalid_argument',
    })
  })

  it('says of an argument that cannot be meant which one it is, whatever was passed', async () => {
    const service = serviceOf(await start())
    const of = (...values: unknown[]): [bigint, string, string] => values as [bigint, string, string]
    const refused = async (answer: Promise<unknown>, message: RegExp): Promise<void> =>
      expect(answer).rejects.toMatchObject({
        code: 'invalid_argument',
        message: expect.stringMatching(message) as string,
      })
    for (const chainId of [undefined, null, 1, '1', 0n, -1n, 2n ** 63n]) {
      await refused(service.getCurrentBalance(...of(chainId, 'native', payee)), /^chainId: expected a positive bigint/)
      await refused(service.addTokensToMonitor(chainId as bigint, [dollar]), /^chainId: expected a positive bigint/)
    }
    await refused(service.getBalanceHistory(...of(CHAIN_ID, undefined, payee)), /^token: .* got undefined$/)
    await refused(service.getBalanceStats(...of(CHAIN_ID, 'native', {})), /^solver: .* got \{\}$/)
    await refused(
      service.getBalanceStats(CHAIN_ID, 'native', payee, { from: '2026-01-01' as unknown as Date }),
      /^from: expected a time as a Date, got '2026-01-01'$/,
    )
    await refused(service.addSolverToMonitor(late, { label: 'hot\0wallet' }), /^label: expected 1 to 64 characters/)
    await refused(service.addSolverToMonitor(late, { label: 'x'.repeat(65) }), /^label: /)
    await refused(service.addTokensToMonitor(CHAIN_ID, dollar as unknown as string[]), /^tokens: expected a list/)
  })

  it('getBalanceHistory gives the newest first, as many as asked for', async () => {
    const application = await start()
    const service = serviceOf(application)
    await mine(application)
    const expected: Partial<BalanceRecord>[] = []
    for (const value of [1n, 2n, 3n]) {
      await mine(application, [{ kind: 'transfer', from: payer, to: payee, value }])
      const { number, hash, transactions } = served.chain.head
      expected.unshift({
        balance: truth('native', payee) as bigint,
        blockNumber: number,
        blockHash: hash,
        transactionHash: transactions[0]?.hash as `0x${string}`,
        cause: 'transfer',
      })
    }
    expect(await service.getBalanceHistory(CHAIN_ID, 'native', payee, 2)).toMatchObject(expected.slice(0, 2))
    expect(await service.getBalanceHistory(CHAIN_ID, 'native', payee)).toMatchObject([...expected, { cause: null }])
    expect(await service.getBalanceHistory(CHAIN_ID, 'native', late, 50)).toEqual([])
  })

  it('getBalanceStats, series, streams and balances of the past agree with what the chain did', async () => {
    const application = await start()
    const service = serviceOf(application)
    await mine(application)
    const begin = served.chain.head
    for (const value of [5n, 3n]) await mine(application, [{ kind: 'transfer', from: payer, to: payee, value }])
    const middle = served.chain.head
    await mine(application, [{ kind: 'transfer', from: payer, to: payee, value: 2n }])
    const whole = 100n * ETHER

    expect(await service.getBalanceStats(CHAIN_ID, 'native', payee)).toMatchObject({
      from: new Date(begin.timestampSeconds * 1000),
      to: new Date(served.chain.head.timestampSeconds * 1000),
      totalRecords: 4,
      oldestBalance: whole,
      latestBalance: whole + 10n,
      minBalance: whole,
      maxBalance: whole + 10n,
      change: 10n,
      inflow: 10n,
      outflow: 0n,
    })
    const until8 = await service.getBalanceStats(CHAIN_ID, 'native', payee, {
      to: new Date(middle.timestampSeconds * 1000),
    })
    expect(until8).toMatchObject({ totalRecords: 3, latestBalance: whole + 8n })
    expect(await service.getBalanceStats(CHAIN_ID, 'native', late)).toBeNull()

    const streamed: bigint[] = []
    for await (const { balance, solverAddress } of service.streamBalanceHistory(CHAIN_ID, 'native', payee)) {
      expect(solverAddress).toBe(toChecksumAddress(payee))
      streamed.push(balance - whole)
    }
    expect(streamed).toEqual([10n, 8n, 5n, 0n])
    const series = await service.getBalanceSeries(CHAIN_ID, 'native', payee, { points: 10 })
    expect(series?.buckets.at(-1)?.last.balance).toBe(whole + 10n)
    const then = {
      tokenAddress: 'native',
      solverAddress: toChecksumAddress(payee),
      balance: whole + 8n,
      certainty: 'exact',
    }
    const past: PastBalance | null = await service.getBalanceAt(CHAIN_ID, 'native', payee, { block: middle.number })
    expect(past).toMatchObject(then)
    const time = new Date(middle.timestampSeconds * 1000)
    expect((await service.getBalancesAt({ time, solver: payee, token: 'native' })).items).toMatchObject([then])
    const totals: readonly BalanceTotal[] = (await service.getBalanceTotals({ by: 'token', token: 'native' })).items
    expect(totals).toMatchObject([
      {
        tokenAddress: 'native',
        solverAddress: null,
        positions: 2,
        balance: sumOf(truth('native', payer), truth('native', payee)),
      },
    ])
  })

  it('addSolverToMonitor and addTokensToMonitor work from the next block on, last, and can be undone', async () => {
    const bare = config({
      chains: { [CHAIN_ID.toString()]: { rpcUrl: served.rpcUrl, pollIntervalMs: 100 } },
      solvers: [payer],
    })
    const first = await start({ options: { config: bare } })
    await mine(first)
    expect(await serviceOf(first).addSolverToMonitor(late)).toMatchObject({ address: toChecksumAddress(late) })
    expect(await serviceOf(first).addTokensToMonitor(CHAIN_ID, [dollar])).toMatchObject([
      { chainId: CHAIN_ID, tokenAddress: toChecksumAddress(dollar), origin: 'runtime' },
    ])
    await mine(first, [{ kind: 'token-mint', token: dollar, to: late, value: 70n }])
    expect(await serviceOf(first).getCurrentBalance(CHAIN_ID, 'native', late)).toMatchObject({ balance: 100n * ETHER })
    expect(await serviceOf(first).getCurrentBalance(CHAIN_ID, dollar, late)).toMatchObject({ balance: 70n })
    await first.close()

    const second = await start({ options: { config: bare } })
    await mine(second, [{ kind: 'token-mint', token: dollar, to: late, value: 7n }])
    expect(await serviceOf(second).getCurrentBalance(CHAIN_ID, dollar, late)).toMatchObject({ balance: 77n })
    await expect(serviceOf(second).removeTokensFromMonitor(CHAIN_ID, [dollar, 'late'])).rejects.toThrow('tokens.1: ')
    expect(await serviceOf(second).getMonitoredTokens(CHAIN_ID), 'all or none').toHaveLength(1)
    expect(await serviceOf(second).removeTokensFromMonitor(CHAIN_ID, [dollar, late])).toEqual(['removed', 'unknown'])
    expect(await serviceOf(second).removeSolverFromMonitor(late)).toBe('removed')
    expect(await serviceOf(second).removeSolverFromMonitor(payer)).toBe('configured')
    expect(await serviceOf(second).getMonitoredTokens(CHAIN_ID)).toEqual([])
    expect((await serviceOf(second).getMonitoredSolvers()).map(({ address }) => address)).toEqual([
      toChecksumAddress(payer),
    ])
    expect(await serviceOf(second).getBalanceHistory(CHAIN_ID, dollar, late), 'history stays').toHaveLength(2)
    await expect(serviceOf(second).addTokensToMonitor(5n, [dollar])).rejects.toMatchObject({ code: 'unknown_chain' })
  })

  it('emits what happens, in the order of the log, with addresses as they are shown', async () => {
    const heard: Heard = []
    const application = await start({ heard })
    await mine(application)
    await mine(application, [{ kind: 'transfer', from: payer, to: payee, value: ETHER }])
    const { hash } = served.chain.head
    const parent = served.chain.canonical().at(-2)
    served.chain.reorg(1, 2)
    await until('the reorganisation is told', () => heard.some(({ name }) => name === 'balance.reverted'))
    await serviceOf(application).manager.saveSnapshot({ onchain: { eth: 1.5 }, onsite: { eth: '2' }, pid: 7 })
    await until('the snapshot is told', () => heard.some(({ name }) => name === 'snapshot.saved'))
    const of = <Name extends keyof BalanceManagerEvents>(wanted: Name): BalanceManagerEvents[Name][] =>
      heard.filter(({ name }) => name === wanted).map(({ payload }) => payload as BalanceManagerEvents[Name])

    expect(of('balance.updated').find(({ changeAmount }) => changeAmount > 0n)).toMatchObject({
      chainId: CHAIN_ID,
      tokenAddress: 'native',
      solverAddress: toChecksumAddress(payee),
      previousBalance: 100n * ETHER,
      newBalance: 101n * ETHER,
      changeAmount: ETHER,
      blockHash: hash,
      cause: 'transfer',
    })
    expect(of('balance.updated')[0]?.timestamp).toBeInstanceOf(Date)
    expect(of('position.started').filter(({ tokenAddress }) => tokenAddress !== 'native')).toMatchObject([
      { tokenAddress: toChecksumAddress(dollar), balance: 0n, tokenSymbol: 'USD', decimals: 6 },
      { tokenAddress: toChecksumAddress(dollar), balance: 0n, tokenSymbol: 'USD', decimals: 6 },
    ])
    const [reverted] = of('balance.reverted')
    expect(reverted).toMatchObject({ chainId: CHAIN_ID, ancestor: { number: parent?.number, hash: parent?.hash } })
    expect(reverted?.items.find(({ position }) => position.solver === toChecksumAddress(payee))).toMatchObject({
      orphaned: [{ blockHash: hash, balance: 101n * ETHER }],
      balance: 100n * ETHER,
    })
    expect(of('snapshot.saved')).toMatchObject([{ pid: 7, onchain: { eth: 1.5 }, onsite: { eth: '2' } }])
    const seqs = heard.map(({ payload }) => (payload as { seq: bigint }).seq)
    expect(seqs).toEqual(seqs.toSorted((a, b) => Number(a - b)))
    expect(new Set(seqs).size).toBe(seqs.length)
  })

  it('emits in every process when told so, in none when told so, and says when nobody could hear it', async () => {
    const [here, there, nowhere]: [Heard, Heard, Heard] = [[], [], []]
    await start({ options: { config: config(), delivery: 'every-process' }, heard: here })
    await start({ options: { config: config(), delivery: 'every-process' }, heard: there })
    const silent = await start({ options: { config: config(), delivery: 'none' }, heard: nowhere })
    const { logger, lines } = recordLog()
    await start({ options: { config: config(), logger }, imports: [] })
    await serviceOf(silent).manager.saveSnapshot({ onchain: { eth: 1 }, onsite: { eth: 1 } })
    const saved = (heard: Heard): number => heard.filter(({ name }) => name === 'snapshot.saved').length
    await until('both have it', () => saved(here) === 1 && saved(there) === 1)
    expect(saved(nowhere)).toBe(0)
    expect(lines.filter(({ message }) => message.includes('EventEmitterModule.forRoot()'))).toHaveLength(1)
  })

  it('reads options that are made of what is injected, and refuses wrong ones when the application starts', async () => {
    class Settings {
      readonly solvers = [payer]
    }
    Injectable()(Settings)
    const SettingsModule = decorated(Module({ providers: [Settings], exports: [Settings] }))
    const module = Module({
      imports: [
        BalanceManagerModule.forRootAsync({
          imports: [SettingsModule],
          inject: [Settings],
          useFactory: async ({ solvers }: Settings) => ({ config: config({ solvers }) }),
        }),
      ],
    })
    const application = await NestFactory.create(decorated(module), { logger: false })
    applications.push(application)
    await application.init()
    expect((await serviceOf(application).getMonitoredSolvers()).map(({ address }) => address)).toEqual([
      toChecksumAddress(payer),
    ])
    await expect(start({ options: { config: config({ solvers: ['payer'] }) } })).rejects.toMatchObject({
      code: 'configuration',
    })
    await expect(start({ options: { config: config(), group: 'two words' } })).rejects.toMatchObject({
      code: 'invalid_argument',
    })
    const wrong = (options: object): Promise<unknown> => start({ options: { config: config(), ...options } })
    await expect(wrong({ server: { mount: true } })).rejects.toThrow('an API key')
    await expect(wrong({ server: { mount: false } })).rejects.toThrow('server.mount: expected true')
    await expect(wrong({ server: { port: Number('x') } })).rejects.toThrow('server.port: expected a whole number')
    await expect(wrong({ delivery: 'every_process' })).rejects.toThrow(
      'delivery: expected one of group, every-process, none',
    )
  })

  it('reads the environment where no settings are given, and leaves it alone where they are', async () => {
    const env = { DATABASE_URL: database.url, SOLVER_ADDRESSES: late, LOG_LEVEL: 'warn' }
    const fromEnvironment = await start({ options: { env } })
    expect(await serviceOf(fromEnvironment).getMonitoredSolvers()).toMatchObject([{ address: toChecksumAddress(late) }])
    await fromEnvironment.close()
    process.env['SOLVER_ADDRESSES'] = late
    try {
      const given = await start({ options: { config: config({ solvers: [payer] }) } })
      expect(await serviceOf(given).getMonitoredSolvers()).toMatchObject([{ address: toChecksumAddress(payer) }])
    } finally {
      delete process.env['SOLVER_ADDRESSES']
    }
  })

  it.each([{ fastify: false }, { fastify: true }])(
    'serves REST and Socket.IO in the server of the application, beside its own routes (Fastify: $fastify)',
    async ({ fastify }) => {
      const keyed = config({ apiKeys: [{ name: 'viewer', secret }] })
      const application = await start({ options: { config: keyed, server: { mount: true } }, fastify })
      const url = (await application.getUrl()).replace('[::1]', '127.0.0.1')
      const authorization = `Bearer ${secret}`
      const call = async (path: string, init: RequestInit = {}): Promise<{ status: number; body: unknown }> => {
        const answer = await fetch(url + path, init)
        return { status: answer.status, body: await answer.json() }
      }
      expect(await call('/api/greeting')).toEqual({ status: 200, body: { from: 'the application' } })
      expect(await call('/api/solvers')).toMatchObject({ status: 401, body: { code: 'unauthorized' } })
      expect(await call('/api/solvers', { headers: { authorization } })).toMatchObject({ status: 200 })
      expect(await call('/livez'), 'is for the application to answer').toMatchObject({ status: 404 })

      const socket = io(url, { path: '/api/socket.io', auth: { token: secret }, transports: ['websocket'] })
      try {
        const pushed = new Promise((resolve) => socket.on('balance:snapshot', resolve))
        await new Promise((resolve) => socket.on('connected', resolve))
        const saved = await call('/api/balance/snapshot', {
          method: 'POST',
          headers: { authorization, 'content-type': 'application/json' },
          body: JSON.stringify({ onchain: { eth: 1 }, onsite: { eth: 2 } }),
        })
        expect(saved).toMatchObject({ status: 200, body: { success: true } })
        expect(await pushed).toMatchObject({ onchain: { eth: 1 } })
        const gone = new Promise((resolve) => socket.on('disconnect', resolve))
        await application.close()
        await gone
      } finally {
        socket.close()
      }
    },
  )

  it('serves on a port of its own', async () => {
    const { logger, lines } = recordLog()
    await start({ options: { config: config(), server: { port: 0 }, logger } })
    const url = lines.find(({ message }) => message === 'listening')?.fields['url']
    expect((await fetch(`${String(url)}/readyz`)).status).toBe(200)
  })

  it('leaves no connection to the database, no timer and no port when the application closes', async () => {
    const application = await start({ options: { config: config(), server: { port: 0 } }, heard: [] })
    await mine(application)
    const client = new pg.Client(database.url)
    await client.connect()
    const connections = async (): Promise<unknown> =>
      (
        await client.query(
          `select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
        )
      ).rowCount
    try {
      expect(await connections()).toBeGreaterThan(0)
      await application.close()
      await until('they are gone', async () => (await connections()) === 0)
      await expect(serviceOf(application).getCurrentBalance(CHAIN_ID, 'native', payer)).rejects.toMatchObject({
        code: 'not_running',
      })
    } finally {
      await client.end()
    }
  })

  it('tells health checks of the database and of every chain', async () => {
    const application = await start({ imports: [EventEmitterModule.forRoot(), TerminusModule.forRoot()] })
    await mine(application)
    const indicator = application.get(BalanceManagerHealthIndicator)
    const checked = await application.get(HealthCheckService).check([() => indicator.isHealthy('balances')])
    expect(checked).toMatchObject({ status: 'ok', details: { balances: { status: 'up' } } })
    expect(await indicator.isHealthy('balances')).toMatchObject({
      balances: { status: 'up', chains: [{ chainId: CHAIN_ID.toString(), state: 'live' }] },
    })
    await served.close()
    await until('the chain is not live any more', async () => {
      const [chain] = await serviceOf(application).getChains()
      return chain?.state !== 'live'
    })
    expect(await indicator.isHealthy()).toMatchObject({ tidemark: { status: 'up' } })
    expect(await indicator.isHealthy('tidemark', { chainsMustBeLive: true })).toMatchObject({
      tidemark: { status: 'down', reason: expect.stringMatching(/^Anvil is (degraded|stalled)$/) as string },
    })
    await application.close()
    expect(await indicator.isHealthy()).toEqual({
      tidemark: { status: 'down', reason: 'the balance manager is not running' },
    })
  })

  it('tells health checks in time while readers have to wait', async () => {
    const application = await start()
    await mine(application)
    const indicator = application.get(BalanceManagerHealthIndicator)
    const client = new pg.Client(database.url)
    await client.connect()
    try {
      await client.query('begin; lock table tidemark.chain in access exclusive mode')
      const reason = expect.stringMatching(/^how the chains are doing cannot be told: /) as string
      const [usual, strict] = await Promise.all([
        indicator.isHealthy(),
        indicator.isHealthy('tidemark', { chainsMustBeLive: true }),
      ])
      expect(usual).toEqual({ tidemark: { status: 'up', reason } })
      expect(strict).toEqual({ tidemark: { status: 'down', reason } })
      await client.query('rollback')
    } finally {
      await client.end()
    }
    expect(await indicator.isHealthy()).toMatchObject({ tidemark: { chains: [{ chainId: CHAIN_ID.toString() }] } })
  })

  it('leaves no port behind when it is closed while it starts', async () => {
    const client = new pg.Client(database.url)
    await client.connect()
    const { logger, lines } = recordLog()
    const options = { config: config(), server: { port: 0 }, logger }
    const application = await NestFactory.create(
      decorated(Module({ imports: [BalanceManagerModule.forRoot(options)] })),
      {
        logger: false,
        abortOnError: false,
      },
    )
    applications.push(application)
    try {
      await application.get(BalanceManagerService).manager.start()
      await client.query('begin; lock table tidemark.api_key in access exclusive mode')
      const started = application.init().catch(() => undefined)
      await until('the keys are waited for', async () => {
        const waiting = `select 1 from pg_locks where not granted and relation = 'tidemark.api_key'::regclass`
        return (await client.query(waiting)).rowCount === 1
      })
      const closed = application.close()
      await new Promise((resolve) => setTimeout(resolve, 100))
      await client.query('rollback')
      await Promise.all([started, closed])
    } finally {
      await client.end()
    }
    const url = lines.find(({ message }) => message === 'listening')?.fields['url']
    if (url !== undefined) await expect(fetch(`${String(url)}/livez`)).rejects.toThrow('fetch failed')
  })
})
