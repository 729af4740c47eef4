import { describe, expect, test } from 'vitest'
import { ConfigurationError } from '../model/errors.js'
import type { TidemarkConfigInput } from './define-config.js'
import type { Environment } from './read-environment.js'
import { resolveConfig } from './resolve-config.js'
import { processSettings } from './settings.js'

const cwd = '/srv/app'
const rpc = 'https://rpc.example'
const usdc = '0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48'
const dai = '0x6b175474e89094c44da98b954eedeac495271d0f'
const secret = 'correct-horse_battery.staple~1'

function fromFile(value: unknown, env: Environment = {}): ReturnType<typeof resolveConfig> {
  return resolveConfig({
    env,
    cwd,
    file: { name: 'tidemark.config.json', path: '/srv/conf/tidemark.config.json', value },
  })
}

function failureOf(run: () => unknown): ConfigurationError {
  try {
    run()
  } catch (error) {
    if (error instanceof ConfigurationError) return error
    throw error
  }
  throw new Error('expected a ConfigurationError, got none')
}

describe('the configuration file', () => {
  const full = {
    chains: {
      ethereum: {
        rpcUrl: rpc,
        wsUrl: ['wss://ws.example'],
        tokens: [usdc],
        pollIntervalMs: 100,
        syncIntervalMs: 1_000,
      },
      arbitrumNova: { rpcUrl: [rpc, `${rpc}/2`] },
      '31338': { rpcUrl: `${rpc},${rpc}/2`, name: 'Local', nativeSymbol: 'L', tokens: `${usdc},${dai}` },
    },
    solvers: [dai, `hot=${usdc}`, { address: `0x${'1'.repeat(40)}`, label: 'cold' }],
    databaseUrl: 'postgres://db/x',
    mongodbUrl: 'mongodb://a',
    mongodbBatchSize: 50,
    dataDir: 'data',
    host: 'localhost',
    port: 0,
    apiKeys: [`read:${secret}`, { secret: `${secret}2` }],
    publicRead: true,
    allowUnauthenticated: true,
    corsOrigins: ['https://ops.example'],
    maxConnections: 100,
    maxConnectionsPerAddress: 10,
    snapshotsPerSecond: 50,
    snapshotRetentionDays: 365,
    eventRetentionDays: 90,
    logLevel: 'debug',
  } satisfies TidemarkConfigInput

  test('may hold every setting', () => {
    const { config } = fromFile(full)
    expect(Object.keys(full).toSorted()).toEqual(['chains', ...processSettings.map(({ key }) => key)].toSorted())
    expect(config).toMatchObject({
      chains: [
        { chainId: 1n, wsUrls: ['wss://ws.example'], tokens: [usdc], pollIntervalMs: 100, syncIntervalMs: 1_000 },
        {
          chainId: 31338n,
          name: 'Local',
          nativeCurrency: { symbol: 'L' },
          rpcUrls: [rpc, `${rpc}/2`],
          tokens: [usdc, dai],
        },
        { chainId: 42170n, rpcUrls: [rpc, `${rpc}/2`] },
      ],
      solvers: [
        { address: dai, label: null },
        { address: usdc, label: 'hot' },
        { address: `0x${'1'.repeat(40)}`, label: 'cold' },
      ],
      dataDir: '/srv/conf/data',
      port: 0,
      allowUnauthenticated: true,
      snapshotRetentionDays: 365,
      eventRetentionDays: 90,
      logLevel: 'debug',
    })
  })

  test('gives way to the environment, setting by setting', () => {
    const { config } = fromFile(full, {
      PORT: '81',
      CHAIN_1_RPC_URL: `${rpc}/env`,
      SOLVER_ADDRESSES: usdc,
      TIDEMARK_DATA_DIR: 'data',
      LOG_LEVEL: '',
    })
    expect(config).toMatchObject({ port: 81, logLevel: 'debug', dataDir: '/srv/app/data' })
    expect(config.solvers).toEqual([{ address: usdc, label: null }])
    expect(config.chains[0]).toMatchObject({ rpcUrls: [`${rpc}/env`], wsUrls: ['wss://ws.example'], tokens: [usdc] })
  })

  test('may leave the endpoints of a chain to the environment, but not to nobody', () => {
    const value = { chains: { base: { tokens: [usdc] } } }
    expect(fromFile(value, { BASE_RPC_URL: rpc }).config.chains).toMatchObject([{ rpcUrls: [rpc], tokens: [usdc] }])
    expect(failureOf(() => fromFile(value)).message).toMatch(
      /^tidemark\.config\.json: chains\.base\.rpcUrl: expected .*, got nothing, while tidemark\.config\.json: chains\.base\.tokens is set$/,
    )
    expect(failureOf(() => fromFile({ chains: { base: {} } })).message).toMatch(
      /chains\.base\.rpcUrl: .*, got nothing$/,
    )
  })

  test.each<[unknown, RegExp]>([
    [null, /^tidemark\.config\.json: expected an object, got null$/],
    [[], /expected an object, got an empty list$/],
    ['KEY', /expected an object, got \(hidden\)$/],
    [{ prot: 1 }, /prot: expected a known key \(did you mean port\?\), got an unknown one$/],
    [{ KEY_something: 'KEY' }, /expected a known key, got an unknown one$/],
    [{ 'a\nb': 1 }, /^tidemark\.config\.json: "a\\nb": expected a known key, got an unknown one$/],
    [{ chains: [] }, /chains: expected an object of chains by name or id, got an empty list$/],
    [{ chains: { etherum: {} } }, /chains\.etherum: expected a chain's name or id \(did you mean ETHEREUM\?\)/],
    [{ chains: { '01': {} } }, /chains\.01: expected a chain's name or id/],
    [{ chains: { ethereum: 'KEY' } }, /chains\.ethereum: expected an object, got \(hidden\)$/],
    [
      { chains: { ethereum: { rpcUrl: rpc }, '1': { rpcUrl: rpc } } },
      /expected one entry for chain 1, got another one/,
    ],
    [{ chains: { ethereum: { rpcUrl: rpc, rpcURL: rpc } } }, /rpcURL: expected a known key \(did you mean rpcUrl\?\)/],
    [{ chains: { ethereum: { rpcUrl: [rpc, 5] } } }, /rpcUrl: expected .*, got a number \(item 2\)$/],
    [{ chains: { ethereum: { rpcUrl: rpc, tokens: [5n] } } }, /tokens: expected .*, got a bigint \(item 1\)$/],
    [{ solvers: [{ address: dai, lable: 'KEY' }] }, /solvers: expected .*, got an object \(item 1\)$/],
    [{ port: '3000' }, /port: expected .*, got "3000"$/],
    [{ port: 1.5 }, /port: expected .*, got 1\.5$/],
    [{ allowUnauthenticated: 'true' }, /allowUnauthenticated: expected true or false, got "true"$/],
    [{ apiKeys: [{ secret, scope: 'read' }] }, /apiKeys: expected .*, got an object \(item 1\)$/],
    [{ apiKeys: [{ secret, scopes: [] }] }, /apiKeys: expected .*, got an empty list \(item 1\)$/],
    [{ apiKeys: 5 }, /apiKeys: expected .*, got \(hidden\)$/],
    [{ databaseUrl: null }, /databaseUrl: expected .*, got null$/],
    [{ dataDir: ' ' }, /dataDir: expected .*, got an empty text$/],
    [{ host: () => 'KEY' }, /host: expected .*, got a function$/],
    [{ logLevel: Symbol('KEY') }, /logLevel: expected .*, got a symbol$/],
  ])('is refused as %o', (value, message) => {
    const error = failureOf(() => fromFile(value))
    expect(error.message).toMatch(message)
    expect(error.message).not.toMatch(/\bKEY\b/)
    expect(error.message.split('\n')).toHaveLength(1)
  })
})
