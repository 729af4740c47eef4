import { resolve } from 'node:path'
import { apiKeyScopes, completeScopes } from '../access/api-key.js'
import type { ApiKey } from '../access/api-key.js'
import { hashSecret } from '../access/make-secret.js'
import type { ChainRegistryEntry } from './chain-registry-entry.js'
import type { ChainConfig, Config } from './config.js'
import type { CheckedApiKey, CheckedChain, CheckedInput } from './config-schema.js'
import { type InputFields, inputFieldId } from './input-field.js'
import { settingDefaults } from './settings.js'

/** The configuration that checked settings make, frozen at every depth. */
export function fillDefaults(input: CheckedInput, { cwd, fields }: { cwd: string; fields: InputFields }): Config {
  return deepFreeze<Config>({
    chains: Object.entries(input.chains)
      .map(([id, chain]) =>
        toChainConfig({ id, chain, facts: fields.get(inputFieldId(id, 'rpcUrl'))?.chain?.facts ?? null }),
      )
      .toSorted((a, b) => (a.chainId < b.chainId ? -1 : 1)),
    solvers: input.solvers ?? [],
    databaseUrl: input.databaseUrl ?? null,
    dataDir: resolve(cwd, input.dataDir ?? settingDefaults.dataDir),
    host: input.host ?? settingDefaults.host,
    port: input.port ?? settingDefaults.port,
    apiKeys: (input.apiKeys ?? []).map(toApiKey),
    allowUnauthenticated: input.allowUnauthenticated ?? false,
    publicRead: input.publicRead ?? false,
    corsOrigins: input.corsOrigins ?? [],
    maxConnections: input.maxConnections ?? settingDefaults.maxConnections,
    maxConnectionsPerAddress: input.maxConnectionsPerAddress ?? settingDefaults.maxConnectionsPerAddress,
    snapshotsPerSecond: input.snapshotsPerSecond ?? null,
    snapshotRetentionDays: input.snapshotRetentionDays ?? settingDefaults.snapshotRetentionDays,
    eventRetentionDays: input.eventRetentionDays ?? settingDefaults.eventRetentionDays,
    logLevel: input.logLevel ?? settingDefaults.logLevel,
    mongodbUrl: input.mongodbUrl ?? null,
    mongodbBatchSize: input.mongodbBatchSize ?? settingDefaults.mongodbBatchSize,
  })
}

interface FillChainOptions {
  readonly id: string
  readonly chain: CheckedChain
  readonly facts: ChainRegistryEntry | null
}

function toChainConfig({ id, chain, facts }: FillChainOptions): ChainConfig {
  return {
    chainId: BigInt(id),
    name: chain.name ?? facts?.name ?? `Chain ${id}`,
    nativeCurrency: {
      name: facts?.nativeName ?? null,
      symbol: chain.nativeSymbol ?? facts?.symbol ?? null,
      decimals: facts?.decimals ?? 18,
    },
    rpcUrls: chain.rpcUrl,
    wsUrls: chain.wsUrl ?? [],
    tokens: chain.tokens ?? [],
    blockTimeMs: facts?.blockTimeMs ?? null,
    pollIntervalMs: chain.pollIntervalMs ?? null,
    syncIntervalMs: chain.syncIntervalMs ?? settingDefaults.syncIntervalMs,
    agreement: chain.agreement ?? settingDefaults.agreement,
  }
}

function toApiKey({ name, scopes, secret }: CheckedApiKey, index: number): ApiKey {
  return {
    name: name ?? `key-${index + 1}`,
    secretSha256: hashSecret(secret),
    scopes: completeScopes(scopes ?? apiKeyScopes),
  }
}

function deepFreeze<Value extends object>(value: Value): Value {
  for (const child of Object.values(value)) if (typeof child === 'object' && child !== null) deepFreeze(child)
  return Object.freeze(value)
}
