import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ConfigurationError } from '../model/errors.js'
import type { Config } from './config.js'
import type { Environment } from './read-environment.js'
import { resolveConfig } from './resolve-config.js'
import { chainSettings, processSettings } from './settings.js'

const cwd = '/srv/app'
const rpc = 'https://rpc.example'
const usdc = '0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48'
const dai = '0x6b175474e89094c44da98b954eedeac495271d0f'
const secret = 'correct-horse_battery.staple~1'

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

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** A value of each variable that is right, and what it makes. Chain variables belong to chain 31338. */
const good: Record<string, [text: string, read: (config: Config) => unknown, value: unknown][]> = {
  RPC_URL: [
    [rpc, (config) => config.chains[0]?.rpcUrls, [rpc]],
    [
      ` ${rpc}/a?k=v , http://127.0.0.1:8545,, `,
      (config) => config.chains[0]?.rpcUrls,
      [`${rpc}/a?k=v`, 'http://127.0.0.1:8545'],
    ],
    [`${rpc},${rpc}`, (config) => config.chains[0]?.rpcUrls, [rpc]],
    ['HTTPS://user:pass@RPC.example', (config) => config.chains[0]?.rpcUrls, ['HTTPS://user:pass@RPC.example']],
  ],
  WS_URL: [
    [
      'wss://ws.example,ws://127.0.0.1:8546',
      (config) => config.chains[0]?.wsUrls,
      ['wss://ws.example', 'ws://127.0.0.1:8546'],
    ],
    ['', (config) => config.chains[0]?.wsUrls, []],
  ],
  TOKENS: [
    [`${usdc.toUpperCase().replace('0X', '0x')}, ${dai},${usdc}`, (config) => config.chains[0]?.tokens, [usdc, dai]],
    ['', (config) => config.chains[0]?.tokens, []],
    [',', (config) => config.chains[0]?.tokens, []],
  ],
  NAME: [
    [' Our chain ', (config) => config.chains[0]?.name, 'Our chain'],
    ['', (config) => config.chains[0]?.name, 'Chain 31338'],
  ],
  NATIVE_SYMBOL: [
    ['tETH', (config) => config.chains[0]?.nativeCurrency, { name: null, symbol: 'tETH', decimals: 18 }],
    ['', (config) => config.chains[0]?.nativeCurrency.symbol, null],
  ],
  POLL_INTERVAL_MS: [
    ['50', (config) => config.chains[0]?.pollIntervalMs, 50],
    ['', (config) => config.chains[0]?.pollIntervalMs, null],
  ],
  SYNC_INTERVAL_MS: [
    ['86400000', (config) => config.chains[0]?.syncIntervalMs, 86_400_000],
    ['', (config) => config.chains[0]?.syncIntervalMs, 300_000],
  ],
  AGREEMENT: [
    ['1', (config) => config.chains[0]?.agreement, 1],
    ['', (config) => config.chains[0]?.agreement, 1],
  ],
  SOLVER_ADDRESSES: [
    [
      `0x742D35Cc8Ebb5295b999C084b9dD5Bf7A93f6c4b, hot 1 = ${dai}`,
      (config) => config.solvers,
      [
        { address: '0x742d35cc8ebb5295b999c084b9dd5bf7a93f6c4b', label: null },
        { address: dai, label: 'hot 1' },
      ],
    ],
    [`a=${dai},a=${dai}`, (config) => config.solvers, [{ address: dai, label: 'a' }]],
    [`a=b=${dai}`, (config) => config.solvers, [{ address: dai, label: 'a=b' }]],
  ],
  DATABASE_URL: [
    ['postgres://u:p@db/name', (config) => config.databaseUrl, 'postgres://u:p@db/name'],
    ['postgresql:///name?host=/run/pg', (config) => config.databaseUrl, 'postgresql:///name?host=/run/pg'],
    ['  ', (config) => config.databaseUrl, null],
  ],
  MONGODB_URL: [
    ['mongodb://a:1,b:2/name', (config) => config.mongodbUrl, 'mongodb://a:1,b:2/name'],
    ['mongodb+srv://u:p@c.example', (config) => config.mongodbUrl, 'mongodb+srv://u:p@c.example'],
  ],
  MONGODB_BATCH_SIZE: [
    ['50', (config) => config.mongodbBatchSize, 50],
    ['', (config) => config.mongodbBatchSize, 1000],
  ],
  TIDEMARK_DATA_DIR: [
    ['data/x', (config) => config.dataDir, '/srv/app/data/x'],
    ['/var/lib/tidemark', (config) => config.dataDir, '/var/lib/tidemark'],
    ['', (config) => config.dataDir, '/srv/app/.tidemark'],
  ],
  HOST: [
    ['', (config) => config.host, '127.0.0.1'],
    ['127.8.9.10', (config) => config.host, '127.8.9.10'],
    ['::1', (config) => config.host, '::1'],
    ['localhost', (config) => config.host, 'localhost'],
  ],
  PORT: [
    ['', (config) => config.port, 3000],
    ['0', (config) => config.port, 0],
    ['65535', (config) => config.port, 65_535],
  ],
  API_KEYS: [
    [
      secret,
      (config) => config.apiKeys,
      [{ name: 'key-1', secretSha256: sha256(secret), scopes: ['read', 'write', 'admin'] }],
    ],
    [
      `write:${secret}, dash:read+read:${secret}2, root:admin:${secret}3`,
      (config) => config.apiKeys,
      [
        { name: 'key-1', secretSha256: sha256(secret), scopes: ['read', 'write'] },
        { name: 'dash', secretSha256: sha256(`${secret}2`), scopes: ['read'] },
        { name: 'root', secretSha256: sha256(`${secret}3`), scopes: ['read', 'write', 'admin'] },
      ],
    ],
  ],
  ALLOW_UNAUTHENTICATED: [
    ['true', (config) => config.allowUnauthenticated, true],
    ['false', (config) => config.allowUnauthenticated, false],
    ['', (config) => config.allowUnauthenticated, false],
  ],
  PUBLIC_READ: [
    ['true', (config) => config.publicRead, true],
    ['', (config) => config.publicRead, false],
  ],
  CORS_ORIGINS: [
    [
      'https://Ops.example:443/, http://localhost:5173',
      (config) => config.corsOrigins,
      ['https://ops.example', 'http://localhost:5173'],
    ],
  ],
  MAX_CONNECTIONS: [
    ['', (config) => config.maxConnections, 10_000],
    ['1', (config) => config.maxConnections, 1],
  ],
  MAX_CONNECTIONS_PER_ADDRESS: [
    ['', (config) => config.maxConnectionsPerAddress, 500],
    ['2000', (config) => config.maxConnectionsPerAddress, 2000],
  ],
  SNAPSHOTS_PER_SECOND: [
    ['', (config) => config.snapshotsPerSecond, null],
    ['2500', (config) => config.snapshotsPerSecond, 2500],
  ],
  SNAPSHOT_RETENTION_DAYS: [
    ['', (config) => config.snapshotRetentionDays, 0],
    ['0', (config) => config.snapshotRetentionDays, 0],
    ['36500', (config) => config.snapshotRetentionDays, 36_500],
  ],
  EVENT_RETENTION_DAYS: [
    ['', (config) => config.eventRetentionDays, 30],
    ['0', (config) => config.eventRetentionDays, 0],
    ['90', (config) => config.eventRetentionDays, 90],
  ],
  LOG_LEVEL: [
    ['', (config) => config.logLevel, 'info'],
    ['WARN', (config) => config.logLevel, 'warn'],
    ['silent', (config) => config.logLevel, 'silent'],
  ],
}

/** A value of each variable that is wrong, and what the message says was given. */
const bad: Record<string, [text: string, given: string][]> = {
  RPC_URL: [
    ['ftp://rpc.example/KEY', 'ftp://rpc.example/… (item 1)'],
    [`${rpc}, wss://user:KEY@ws.example`, 'wss://ws.example/… (item 2)'],
    ['rpc.example/KEY', '(not a URL) (item 1)'],
    ['https://', '(not a URL) (item 1)'],
    ['https:rpc.example', '(not a URL) (item 1)'],
    [`https://rpc.example/${'x'.repeat(2_048)}`, 'https://rpc.example/… (item 1)'],
    [Array.from({ length: 17 }, (_, index) => `${rpc}/${index}`).join(','), 'a list of 17'],
    [',', 'an empty list'],
  ],
  WS_URL: [['https://ws.example/KEY', 'https://ws.example/… (item 1)']],
  TOKENS: [
    ['native', '"native" (item 1)'],
    [`${usdc},${usdc}00`, 'a text of 44 characters (item 2)'],
    [`0x${'a'.repeat(64)}`, 'a text of 66 characters (item 1)'],
  ],
  NAME: [
    ['a\u001b[31mb', '"a\\u001b[31mb"'],
    ['x'.repeat(65), `"${'x'.repeat(60)}…"`],
  ],
  NATIVE_SYMBOL: [
    ['E\u202eTH', '"E\u202eTH"'],
    ['x'.repeat(33), `"${'x'.repeat(33)}"`],
  ],
  POLL_INTERVAL_MS: [
    ['49', '49'],
    ['1e3', '"1e3"'],
    ['1000.5', '"1000.5"'],
  ],
  SYNC_INTERVAL_MS: [
    ['86400001', '86400001'],
    ['-5', '-5'],
    ['9'.repeat(20), `"${'9'.repeat(20)}"`],
  ],
  AGREEMENT: [
    ['0', '0'],
    ['17', '17'],
    ['1.5', '"1.5"'],
  ],
  SOLVER_ADDRESSES: [
    ['0x12', '"0x12" (item 1)'],
    [`=${dai}`, 'an empty text (item 1)'],
    [`${usdc},a=${dai},b=${dai}`, `"a" and "b" for ${dai} (item 3)`],
    [`${dai},b=${dai}`, `none and "b" for ${dai} (item 2)`],
    ['abandon abandon abandon abandon abandon abandon about', 'a text of 53 characters (item 1)'],
  ],
  DATABASE_URL: [
    ['mysql://u:KEY@db/name', 'mysql://db/…'],
    ['db.example', '(not a URL)'],
    ['postgres://u:KEY#KEY@db/name', '(not a URL)'],
  ],
  MONGODB_URL: [
    ['http://mongo.example', 'http://mongo.example'],
    ['mongodb://', '(not a URL)'],
  ],
  MONGODB_BATCH_SIZE: [
    ['0', '0'],
    ['many', '"many"'],
  ],
  TIDEMARK_DATA_DIR: [['a\0b', '"/srv/app/a\\u0000b"']],
  HOST: [
    ['not a host', '"not a host"'],
    ['http://u:KEY@host', 'http://host/…'],
    ['[::1]', '"[::1]"'],
    ['127.0.0.1:3000', '"127.0.0.1:3000"'],
  ],
  PORT: [
    ['65536', '65536'],
    ['-1', '-1'],
    ['http', '"http"'],
    ['80.5', '"80.5"'],
  ],
  API_KEYS: [
    ['KEY', '(hidden) (item 1)'],
    [`${secret},write+delete:KEY${secret}`, '(hidden) (item 2)'],
    [`a:b:c:KEY${secret}`, '(hidden) (item 1)'],
    [`KEY ${secret}`, '(hidden) (item 1)'],
    [`bad name:read:${secret}`, '(hidden) (item 1)'],
    [`:${secret}`, '(hidden) (item 1)'],
  ],
  ALLOW_UNAUTHENTICATED: [
    ['yes', '"yes"'],
    ['1', '"1"'],
    ['TRUE', '"TRUE"'],
  ],
  PUBLIC_READ: [['on', '"on"']],
  CORS_ORIGINS: [
    ['*', '(not a URL) (item 1)'],
    ['https://ops.example/path', 'https://ops.example/… (item 1)'],
    ['https://ops.example,null', '(not a URL) (item 2)'],
    ['ops.example', '(not a URL) (item 1)'],
    ['https://u:KEY@ops.example', 'https://ops.example/… (item 1)'],
  ],
  MAX_CONNECTIONS: [
    ['0', '0'],
    ['many', '"many"'],
  ],
  MAX_CONNECTIONS_PER_ADDRESS: [['-5', '-5']],
  SNAPSHOTS_PER_SECOND: [
    ['0', '0'],
    ['1.5', '"1.5"'],
  ],
  SNAPSHOT_RETENTION_DAYS: [
    ['36501', '36501'],
    ['-1', '-1'],
    ['1.5', '"1.5"'],
  ],
  EVENT_RETENTION_DAYS: [['never', '"never"']],
  LOG_LEVEL: [['verbose', '"verbose"']],
}

const chainVariables = new Set(chainSettings.map(({ variable }) => variable))

function environmentFor(variable: string, text: string): Environment {
  if (!chainVariables.has(variable)) return { [variable]: text }
  return { CHAIN_31338_RPC_URL: rpc, [`CHAIN_31338_${variable}`]: text }
}

function tableOf<Row>(rows: Record<string, Row[]>): (readonly [string, Row])[] {
  return Object.entries(rows).flatMap(([variable, ofVariable]) => ofVariable.map((row) => [variable, row] as const))
}

describe('environment variables', () => {
  test('each has right and wrong values below', () => {
    const variables = [...chainSettings, ...processSettings].map(({ variable }) => variable).toSorted()
    expect(Object.keys(good).toSorted()).toEqual(variables)
    expect(Object.keys(bad).toSorted()).toEqual(variables)
  })

  test.each(tableOf(good))('%s accepts %j', (variable, [text, read, value]) => {
    expect(read(fromEnv(environmentFor(variable, text)))).toEqual(value)
  })

  test.each(tableOf(bad))('%s refuses %j, and shows no secret', (variable, [text, given]) => {
    const env = environmentFor(variable, text)
    const name = Object.keys(env).find((key) => key.endsWith(variable)) ?? ''
    const setting = [...chainSettings, ...processSettings].find((known) => known.variable === variable)
    const { message, details } = failureOf(() => fromEnv(env))
    expect(details?.['problems']).toEqual([{ name, expected: expect.any(String), given }])
    expect(message).toMatch(new RegExp(`^${name}: expected `))
    expect(message.endsWith(`, got ${given}`)).toBe(true)
    if (!given.includes(' for ')) expect(message).toContain(setting?.expected)
    expect(JSON.stringify(details)).not.toMatch(/\bKEY\b/)
    expect(JSON.stringify(details)).not.toContain(secret)
  })
})
