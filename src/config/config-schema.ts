import { BlockList, isIP } from 'node:net'
import { z } from 'zod'
import { apiKeyName, apiKeyScopes } from '../access/api-key.js'
import type { ApiKeyScope } from '../access/api-key.js'
import { type Address, parseAddress } from '../model/address.js'
import { splitApiKeyText } from './api-key-text.js'
import type { LogLevel, SolverConfig } from './config.js'
import { settingLimits } from './settings.js'

export interface CheckedChain {
  readonly rpcUrl: readonly string[]
  readonly wsUrl?: readonly string[] | undefined
  readonly tokens?: readonly Address[] | undefined
  readonly name?: string | undefined
  readonly nativeSymbol?: string | undefined
  readonly pollIntervalMs?: number | undefined
  readonly syncIntervalMs?: number | undefined
  readonly agreement?: number | undefined
}

export interface CheckedApiKey {
  readonly name?: string | undefined
  readonly scopes?: readonly ApiKeyScope[] | undefined
  readonly secret: string
}

/** The merged settings, each one right by itself; defaults are not filled in yet. */
export interface CheckedInput {
  readonly chains: Readonly<Record<string, CheckedChain>>
  readonly solvers?: readonly SolverConfig[] | undefined
  readonly databaseUrl?: string | undefined
  readonly mongodbUrl?: string | undefined
  readonly mongodbBatchSize?: number | undefined
  readonly dataDir?: string | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly apiKeys?: readonly CheckedApiKey[] | undefined
  readonly allowUnauthenticated?: boolean | undefined
  readonly publicRead?: boolean | undefined
  readonly corsOrigins?: readonly string[] | undefined
  readonly maxConnections?: number | undefined
  readonly maxConnectionsPerAddress?: number | undefined
  readonly snapshotsPerSecond?: number | undefined
  readonly snapshotRetentionDays?: number | undefined
  readonly eventRetentionDays?: number | undefined
  readonly logLevel?: LogLevel | undefined
}

const url = (pattern: RegExp) =>
  z
    .string()
    .trim()
    .max(settingLimits.urlLength)
    .refine((text) => pattern.test(text) && !/\s/.test(text) && URL.canParse(text) && new URL(text).hostname !== '')

const databaseUrl = z
  .string()
  .trim()
  .max(settingLimits.urlLength)
  .refine((text) => /^postgres(ql)?:\/\//i.test(text) && !/\s/.test(text) && URL.canParse(text))

// Several hosts may be named, which no URL parser reads: the driver looks at the rest.
const mongodbUrl = z
  .string()
  .trim()
  .max(settingLimits.urlLength)
  .regex(/^mongodb(\+srv)?:\/\/[^\s/?#][^\s]*$/i)

const origin = url(/^https?:\/\/[^/\\]/i)
  .refine((text) => URL.canParse(text) && new URL(text).href === `${new URL(text).origin}/`)
  .transform((text) => new URL(text).origin)

const address = z.string().transform((text, context): Address => {
  const parsed = parseAddress(text)
  if (parsed !== null) return parsed
  context.addIssue({ code: 'custom', input: text })
  return z.NEVER
})

// Names end up on screens and in logs, so control and formatting characters stay out.
const printable = (maxLength: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(maxLength)
    .regex(/^[^\p{C}\p{Zl}\p{Zp}]*$/u)

const integer = ({ min, max }: { min: number; max: number }) => z.int().min(min).max(max)

const list = <Item extends z.ZodType>(item: Item, { min = 0, max }: { min?: number; max: number }) =>
  z.preprocess(splitList, z.array(item).min(min).max(max))

const distinct = <Item>(items: readonly Item[]): Item[] => [...new Set(items)]

const chain = z
  .strictObject({
    rpcUrl: list(url(/^https?:\/\/[^/\\]/i), { min: 1, max: settingLimits.urlsPerChain }).transform(distinct),
    wsUrl: list(url(/^wss?:\/\/[^/\\]/i), { max: settingLimits.urlsPerChain })
      .transform(distinct)
      .optional(),
    tokens: list(address, { max: settingLimits.tokensPerChain }).transform(distinct).optional(),
    name: printable(settingLimits.labelLength).optional(),
    nativeSymbol: printable(settingLimits.symbolLength).optional(),
    pollIntervalMs: integer(settingLimits.pollIntervalMs).optional(),
    syncIntervalMs: integer(settingLimits.syncIntervalMs).optional(),
    agreement: integer(settingLimits.agreement).optional(),
  })
  .superRefine(({ rpcUrl, agreement = 1 }, context) => {
    // What is wrong by itself is told by itself.
    if (rpcUrl.length === 0 || agreement > settingLimits.agreement.max || agreement <= rpcUrl.length) return
    const expected = `at most the number of RPC URLs of the chain, ${rpcUrl.length}`
    context.addIssue({ code: 'custom', path: ['agreement'], params: { expected, given: String(agreement) } })
  })

const solver = z.preprocess(
  splitSolver,
  z
    .strictObject({ address, label: printable(settingLimits.labelLength).optional() })
    .transform(({ address: solverAddress, label }): SolverConfig => ({ address: solverAddress, label: label ?? null })),
)

const solvers = list(solver, { max: settingLimits.solvers }).transform((items, context) => {
  const byAddress = new Map<Address, SolverConfig>()
  for (const [index, item] of items.entries()) {
    const first = byAddress.get(item.address) ?? item
    byAddress.set(item.address, first)
    if (first.label !== item.label) {
      const given = `${labelText(first)} and ${labelText(item)} for ${item.address}`
      context.addIssue({ code: 'custom', path: [index], params: { expected: 'one label for each address', given } })
    }
  }
  return [...byAddress.values()]
})

const scope = z.enum(apiKeyScopes)

const apiKey = z.preprocess(
  splitApiKeyText,
  z.strictObject({
    name: z.string().regex(apiKeyName).optional(),
    scopes: z.array(scope).min(1).optional(),
    secret: z
      .string()
      .min(settingLimits.shortestSecret)
      .max(settingLimits.longestSecret)
      .regex(/^[\w.~-]+$/),
  }),
)

const apiKeys = list(apiKey, { max: settingLimits.apiKeys }).superRefine((keys, context) => {
  for (const [index, key] of keys.entries()) {
    const isRepeated = keys.slice(0, index).some(({ name, secret }) => {
      return secret === key.secret || (name !== undefined && name === key.name)
    })
    if (isRepeated) context.addIssue({ code: 'custom', path: [index], params: { given: '(hidden)' } })
  }
})

const host = z
  .string()
  .trim()
  .min(1)
  .max(253)
  .refine(
    (text) =>
      isIP(text) !== 0 || /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i.test(text),
  )

/** Checks the environment and the configuration file, merged; chains stand under their decimal ids. */
export const configSchema: z.ZodType<CheckedInput> = z.strictObject({
  chains: z.record(z.string(), chain).refine((chains) => Object.keys(chains).length <= settingLimits.chains),
  solvers: solvers.optional(),
  databaseUrl: databaseUrl.optional(),
  mongodbUrl: mongodbUrl.optional(),
  mongodbBatchSize: integer(settingLimits.mongodbBatchSize).optional(),
  dataDir: z
    .string()
    .trim()
    .min(1)
    .max(4_096)
    .refine((path) => !path.includes('\0'))
    .optional(),
  host: host.optional(),
  port: integer({ min: 0, max: 65_535 }).optional(),
  apiKeys: apiKeys.optional(),
  allowUnauthenticated: z.boolean().optional(),
  publicRead: z.boolean().optional(),
  corsOrigins: list(origin, { max: settingLimits.corsOrigins }).transform(distinct).optional(),
  maxConnections: integer(settingLimits.maxConnections).optional(),
  maxConnectionsPerAddress: integer(settingLimits.maxConnections).optional(),
  snapshotsPerSecond: integer(settingLimits.snapshotsPerSecond).optional(),
  snapshotRetentionDays: integer(settingLimits.retentionDays).optional(),
  eventRetentionDays: integer(settingLimits.retentionDays).optional(),
  logLevel: z
    .string()
    .trim()
    .toLowerCase()
    .pipe(z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']))
    .optional(),
})

/** True when only this machine can reach the host. */
export function isLoopbackHost(text: string): boolean {
  const family = isIP(text)
  if (family === 0) return /^localhost\.?$/i.test(text)
  const loopback = new BlockList()
  loopback.addSubnet('127.0.0.0', 8, 'ipv4')
  loopback.addAddress('::1', 'ipv6')
  return loopback.check(text, family === 6 ? 'ipv6' : 'ipv4')
}

function splitList(value: unknown): unknown {
  if (typeof value !== 'string') return value
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

function splitSolver(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const separator = value.lastIndexOf('=')
  if (separator === -1) return { address: value }
  return { address: value.slice(separator + 1), label: value.slice(0, separator) }
}

function labelText({ label }: SolverConfig): string {
  return label === null ? 'none' : JSON.stringify(label)
}
