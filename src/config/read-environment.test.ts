import { describe, expect, test } from 'vitest'
import { ConfigurationError } from '../model/errors.js'
import type { Config } from './config.js'
import type { Environment } from './read-environment.js'
import { resolveConfig } from './resolve-config.js'

const cwd = '/srv/app'
const rpc = 'https://rpc.example'
const usdc = '0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48'

function fromEnv(env: Environment): Config {
  return resolveConfig({ env, cwd }).config
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

describe('environment variables', () => {
  test('none at all gives every default', () => {
    expect(resolveConfig({ env: {}, cwd })).toEqual({
      config: {
        chains: [],
        solvers: [],
        databaseUrl: null,
        dataDir: '/srv/app/.tidemark',
        host: '127.0.0.1',
        port: 3000,
        apiKeys: [],
        allowUnauthenticated: false,
        publicRead: false,
        corsOrigins: [],
        maxConnections: 10_000,
        maxConnectionsPerAddress: 500,
        snapshotsPerSecond: null,
        snapshotRetentionDays: 0,
        eventRetentionDays: 30,
        logLevel: 'info',
        mongodbUrl: null,
        mongodbBatchSize: 1000,
      },
      warnings: [],
    })
  })

  test('those of the source document give its five chains, by id', () => {
    const { chains } = fromEnv({
      ETHEREUM_RPC_URL: 'https://eth.llamarpc.com',
      OPTIMISM_RPC_URL: 'https://mainnet.optimism.io',
      POLYGON_RPC_URL: 'https://polygon.llamarpc.com',
      BASE_RPC_URL: 'https://mainnet.base.org',
      ARBITRUM_RPC_URL: 'https://arb1.arbitrum.io/rpc',
      ETHEREUM_WS_URL: 'wss://eth.llamarpc.com',
      OPTIMISM_WS_URL: 'wss://ws-mainnet.optimism.io',
      POLYGON_WS_URL: 'wss://polygon.llamarpc.com',
      BASE_WS_URL: 'wss://mainnet.base.org',
      ARBITRUM_WS_URL: 'wss://arb1.arbitrum.io/ws',
    })
    expect(chains.map(({ chainId }) => chainId)).toEqual([1n, 10n, 137n, 8453n, 42161n])
    expect(chains[0]).toEqual({
      chainId: 1n,
      name: 'Ethereum',
      nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
      rpcUrls: ['https://eth.llamarpc.com'],
      wsUrls: ['wss://eth.llamarpc.com'],
      tokens: [],
      blockTimeMs: 12_000,
      pollIntervalMs: null,
      syncIntervalMs: 300_000,
      agreement: 1,
    })
    expect(chains[4]?.wsUrls).toEqual(['wss://arb1.arbitrum.io/ws'])
  })

  test('a chain may be named by its id, of any size that can exist', () => {
    const [known, unknown] = fromEnv({ CHAIN_8453_RPC_URL: rpc, CHAIN_9223372036854775771_RPC_URL: rpc }).chains
    expect(known).toMatchObject({ chainId: 8453n, name: 'Base' })
    expect(unknown).toMatchObject({
      chainId: 9223372036854775771n,
      name: 'Chain 9223372036854775771',
      blockTimeMs: null,
    })
  })

  test.each(['CHAIN_0_RPC_URL', 'CHAIN_01_RPC_URL', 'CHAIN_9223372036854775772_TOKENS'])('%s is refused', (name) => {
    expect(failureOf(() => fromEnv({ [name]: rpc })).message).toBe(
      `${name}: expected a chain id that can exist, got "${name.replace(/_(RPC_URL|TOKENS)$/, '')}"`,
    )
  })

  test.each([
    ['ETHEREUM_RPC_URL', 'CHAIN_1_RPC_URL'],
    ['MAINNET_WS_URL', 'ETHEREUM_RPC_URL'],
    ['CHAIN_137_TOKENS', 'POLYGON_RPC_URL'],
  ])('%s beside %s is an error that names both', (one, other) => {
    const { message } = failureOf(() => fromEnv({ [one]: rpc, [other]: rpc }))
    expect(message).toContain(one)
    expect(message).toContain(other)
    expect(message).toMatch(/expected one name for chain \d+, got two/)
  })

  test.each([
    ['ETHEREUM_WS_URL', 'wss://ws.example', 'ETHEREUM_RPC_URL'],
    ['CHAIN_31338_TOKENS', usdc, 'CHAIN_31338_RPC_URL'],
  ])('%s without the RPC URL is an error', (name, value, missing) => {
    const { message } = failureOf(() => fromEnv({ [name]: value }))
    expect(message).toMatch(new RegExp(`^${missing}: expected .*, got nothing, while ${name} is set$`))
  })

  test('an unknown chain is a warning, with the name that was probably meant', () => {
    const { config, warnings } = resolveConfig({
      env: {
        ETHERIUM_RPC_URL: `${rpc}/KEY`,
        SOME_TOOL_WS_URL: rpc,
        MAX_TOKENS: '5',
        HOST_NAME: 'x',
        base_RPC_URL: rpc,
      },
      cwd,
    })
    expect(config.chains).toEqual([])
    expect(warnings).toEqual([
      'ETHERIUM_RPC_URL is ignored: no chain is known by that name; did you mean ETHEREUM_RPC_URL?',
      'SOME_TOOL_WS_URL is ignored: no chain is known by that name; use CHAIN_<id>_… for a chain without a known name',
      'base_RPC_URL is ignored: no chain is known by that name; did you mean BASE_RPC_URL?',
    ])
  })

  test('a name without endpoints is a warning, as it may be meant for another program', () => {
    const { config, warnings } = resolveConfig({ env: { BASE_NAME: 'my-image' }, cwd })
    expect(config.chains).toEqual([])
    expect(warnings).toEqual(['BASE_NAME is ignored: chain 8453 has no RPC URL'])
  })

  test('all problems are told in one error, one per line', () => {
    const { message, details, hint, code } = failureOf(() =>
      fromEnv({ PORT: 'x', LOG_LEVEL: 'y', ETHEREUM_RPC_URL: 'z', CHAIN_0_RPC_URL: rpc, HOST: 'a b' }),
    )
    expect(message.split('\n').map((line) => line.split(':')[0])).toEqual([
      'CHAIN_0_RPC_URL',
      'ETHEREUM_RPC_URL',
      'HOST',
      'PORT',
      'LOG_LEVEL',
    ])
    expect(details?.['problems']).toHaveLength(5)
    expect(code).toBe('configuration')
    expect(hint).toContain('docs/reference/configuration.md')
  })

  test('a message stays readable when everything is wrong', () => {
    const { message, details } = failureOf(() => fromEnv({ SOLVER_ADDRESSES: 'x,'.repeat(5_000) }))
    expect(message.split('\n')).toHaveLength(101)
    expect(message).toMatch(/\nand 4900 more$/)
    expect(details?.['problems']).toHaveLength(5_000)
  })
})
