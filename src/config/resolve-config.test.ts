import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ConfigurationError } from '../model/errors.js'
import type { Config } from './config.js'
import type { Environment } from './read-environment.js'
import { resolveConfig } from './resolve-config.js'
import { chainSettings, processSettings } from './settings.js'

const cwd = '/srv/app'
const rpc = 'https://rpc.example'
const dai = '0x6b175474e89094c44da98b954eedeac495271d0f'
const secret = 'correct-horse_battery.staple~1'

function fromEnv(env: Environment): Config {
  return resolveConfig({ env, cwd }).config
}

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

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

test('agreement of more endpoints than a chain has is refused', () => {
  const env = { CHAIN_31338_RPC_URL: `${rpc},${rpc}/2`, CHAIN_31338_AGREEMENT: '3' }
  expect(failureOf(() => fromEnv(env)).message).toBe(
    'CHAIN_31338_AGREEMENT: expected at most the number of RPC URLs of the chain, 2, got 3',
  )
  expect(fromEnv({ ...env, CHAIN_31338_AGREEMENT: '2' }).chains[0]?.agreement).toBe(2)
})

describe('API keys', () => {
  test.each([[`${secret},${secret}`], [`read:${secret},write:${secret}`], [`a:read:${secret},a:read:${secret}2`]])(
    'are refused when a name or a secret comes twice: %s',
    (text) => {
      const { message } = failureOf(() => fromEnv({ API_KEYS: text }))
      expect(message).toMatch(/names and secrets differ, got \(hidden\) \(item 2\)$/)
      expect(message).not.toContain(secret)
    },
  )

  test('are kept as digests only', () => {
    const { config } = fromFile({ apiKeys: [{ name: 'ops', scopes: ['write'], secret }] })
    expect(config.apiKeys).toEqual([{ name: 'ops', secretSha256: sha256(secret), scopes: ['read', 'write'] }])
    expect(JSON.stringify(config)).not.toContain(secret)
  })
})

test('the configuration is frozen at every depth', () => {
  const config = fromEnv({ ETHEREUM_RPC_URL: rpc, API_KEYS: secret, SOLVER_ADDRESSES: dai })
  const parts: unknown[] = [config]
  for (const part of parts) {
    expect(Object.isFrozen(part)).toBe(true)
    if (typeof part === 'object' && part !== null)
      parts.push(...Object.values(part).filter((child) => typeof child === 'object'))
  }
  expect(parts.length).toBeGreaterThan(10)
})

const variableNames = [
  ...processSettings.map(({ variable }) => variable),
  ...chainSettings.flatMap(({ variable }) => [
    `ETHEREUM_${variable}`,
    `CHAIN_31338_${variable}`,
    `NOWHERE_${variable}`,
  ]),
]

describe('whatever the environment holds', () => {
  const grammarText = fc
    .array(
      fc.constantFrom(
        'https://',
        'wss://',
        'postgres://',
        'mongodb://',
        '0x',
        dai,
        ',',
        ':',
        '=',
        '+',
        '@',
        '/',
        '?',
        '#',
        'admin',
        '9',
        '-',
        ' ',
        '\0',
        '__proto__',
        '[',
        'é',
        '\u{1f30a}',
      ),
      { maxLength: 8 },
    )
    .map((parts) => parts.join(''))
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), grammarText)

  test('only a ConfigurationError is thrown', () => {
    const environment = fc.dictionary(fc.oneof(fc.constantFrom(...variableNames), fc.string()), text, { maxKeys: 8 })
    let refused = 0
    fc.assert(
      fc.property(environment, (env) => {
        try {
          resolveConfig({ env, cwd })
        } catch (error) {
          if (!(error instanceof ConfigurationError)) throw error
          refused++
        }
      }),
      { numRuns: 2_000 },
    )
    expect(refused).toBeGreaterThan(0)
  })

  test('a secret in a URL or an API key is in no message, warning or problem', () => {
    const canary = 'CANARY-f00dbabe'
    const secretVariables = [
      'API_KEYS',
      'DATABASE_URL',
      'MONGODB_URL',
      'ETHEREUM_RPC_URL',
      'ETHEREUM_WS_URL',
      'ETHERIUM_RPC_URL',
      'CORS_ORIGINS',
    ]
    const value = fc.oneof(
      fc.tuple(text, text).map(([before, after]) => `${before}${canary}${after}`),
      fc
        .tuple(fc.constantFrom('https', 'wss', 'postgres', 'mongodb'), text)
        .map(([scheme, after]) => `${scheme}://u${after}:${canary}@host.example/`),
      fc
        .tuple(fc.constantFrom('https', 'wss', 'postgres', 'mongodb'), text)
        .map(([scheme, after]) => `${scheme}://host.example/${canary}${after}`),
    )
    // A canary that stands where the host stands is a host, which messages do show.
    const isHost = (env: Environment): boolean =>
      Object.values(env).some((given) =>
        [given, ...(given?.split(',') ?? [])].some((item) => /:\/\/[^/?#]*CANARY-f00dbabe[^@]*$/i.test(item ?? '')),
      )
    const environment = fc
      .dictionary(fc.constantFrom(...secretVariables), value, { minKeys: 1 })
      .filter((env) => !isHost(env))
    fc.assert(
      fc.property(environment, (env) => {
        let told: string
        try {
          told = JSON.stringify(resolveConfig({ env, cwd }).warnings)
        } catch (error) {
          if (!(error instanceof ConfigurationError)) throw error
          told = `${error.message}${error.stack}${error.hint}${JSON.stringify(error.details)}${String(error.cause)}`
        }
        return !told.toLowerCase().includes(canary.toLowerCase())
      }),
      { numRuns: 2_000 },
    )
  })

  test('only a ConfigurationError is thrown for whatever a file holds', () => {
    const keys = fc.constantFrom(
      'chains',
      'ethereum',
      '31338',
      'rpcUrl',
      'address',
      'secret',
      'scopes',
      ...processSettings.map(({ key }) => key),
    )
    const { tree } = fc.letrec<{ tree: unknown; leaf: unknown }>((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        tie('leaf'),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(keys, tie('tree'), { maxKeys: 4 }),
      ),
      leaf: fc.oneof(fc.anything({ withBigInt: true, withDate: true, withMap: true }), text),
    }))
    fc.assert(
      fc.property(fc.dictionary(keys, tree), (value) => {
        try {
          fromFile(value)
        } catch (error) {
          if (!(error instanceof ConfigurationError)) throw error
        }
      }),
      { numRuns: 1_000 },
    )
  })
})
