import type { ApiKeyScope } from '../access/api-key.js'
import type { LogLevel } from './config.js'

/** Settings of one chain in a configuration file. */
export interface ChainConfigInput {
  /** One or more http(s) endpoints, in order of preference. May be left to the environment, which has the secrets. */
  rpcUrl?: string | readonly string[] | undefined
  /** One or more ws(s) endpoints, in order of preference. */
  wsUrl?: string | readonly string[] | undefined
  /** Contract addresses of the ERC-20 tokens to watch; the native currency is always watched. */
  tokens?: string | readonly string[] | undefined
  name?: string | undefined
  nativeSymbol?: string | undefined
  pollIntervalMs?: number | undefined
  syncIntervalMs?: number | undefined
  /** How many of the http(s) endpoints must show the same hash before a new block counts. */
  agreement?: number | undefined
}

/** An API key in a configuration file, when not written as `name:scope+scope:secret`. */
export interface ApiKeyConfigInput {
  name?: string | undefined
  /** All three when left out. */
  scopes?: readonly ApiKeyScope[] | undefined
  secret: string
}

/** What a `tidemark.config.*` file may hold. An environment variable wins over the same setting here. */
export interface TidemarkConfigInput {
  /** By name (`ethereum`, `arbitrumNova`) or chain id (`'31338'`). */
  chains?: Readonly<Record<string, ChainConfigInput>> | undefined
  /** Wallets to watch: an address, `label=address`, or an object. */
  solvers?: string | readonly (string | { address: string; label?: string | undefined })[] | undefined
  databaseUrl?: string | undefined
  mongodbUrl?: string | undefined
  /** Documents of one request to MongoDB. */
  mongodbBatchSize?: number | undefined
  /** Relative to the configuration file. */
  dataDir?: string | undefined
  host?: string | undefined
  port?: number | undefined
  apiKeys?: string | readonly (string | ApiKeyConfigInput)[] | undefined
  allowUnauthenticated?: boolean | undefined
  publicRead?: boolean | undefined
  corsOrigins?: string | readonly string[] | undefined
  maxConnections?: number | undefined
  maxConnectionsPerAddress?: number | undefined
  snapshotsPerSecond?: number | undefined
  /** Days for which snapshots are kept, by their `ts`; 0 keeps them for ever. */
  snapshotRetentionDays?: number | undefined
  /** Days for which the event log is kept; 0 keeps it for ever. */
  eventRetentionDays?: number | undefined
  logLevel?: LogLevel | undefined
}

/** What the default export of a configuration file may be. */
export type TidemarkConfigSource = TidemarkConfigInput | (() => TidemarkConfigInput | Promise<TidemarkConfigInput>)

/** Returns its argument; gives a configuration file completion and type checks. */
export function defineConfig<Source extends TidemarkConfigSource>(config: Source): Source {
  return config
}
