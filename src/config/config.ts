import type { ApiKey } from '../access/api-key.js'
import type { Address } from '../model/address.js'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

export interface NativeCurrency {
  /** Null when neither the registry nor the operator names it. */
  readonly name: string | null
  readonly symbol: string | null
  readonly decimals: number
}

/** One chain to follow. */
export interface ChainConfig {
  readonly chainId: bigint
  readonly name: string
  readonly nativeCurrency: NativeCurrency
  /** At least one, in order of preference. */
  readonly rpcUrls: readonly string[]
  readonly wsUrls: readonly string[]
  readonly tokens: readonly Address[]
  /** Usual time between blocks; null when not known. */
  readonly blockTimeMs: number | null
  /** Null: as the block time suggests. */
  readonly pollIntervalMs: number | null
  readonly syncIntervalMs: number
  /** HTTP endpoints that must show the same hash before a head counts; 1 when absent. */
  readonly agreement?: number
}

export interface SolverConfig {
  readonly address: Address
  readonly label: string | null
}

/** Every setting, checked and with its default filled in. Frozen at every depth. */
export interface Config {
  /** By ascending chain id, one entry per chain. */
  readonly chains: readonly ChainConfig[]
  readonly solvers: readonly SolverConfig[]
  /** Null: the embedded PostgreSQL in `dataDir`. */
  readonly databaseUrl: string | null
  /** Absolute. */
  readonly dataDir: string
  readonly host: string
  /** 0 stands for any free port. */
  readonly port: number
  readonly apiKeys: readonly ApiKey[]
  readonly allowUnauthenticated: boolean
  /** Reading needs no key, writing does. */
  readonly publicRead: boolean
  /** Exact origins, `scheme://host[:port]`. */
  readonly corsOrigins: readonly string[]
  /** Socket.IO connections at a time. */
  readonly maxConnections: number
  /** Of them, from one address beyond this machine. */
  readonly maxConnectionsPerAddress: number
  /** Snapshots a second of one key and of one address; null: as fits the caller. */
  readonly snapshotsPerSecond: number | null
  /** By `ts`; 0: for ever. */
  readonly snapshotRetentionDays: number
  /** 0: for ever. */
  readonly eventRetentionDays: number
  readonly logLevel: LogLevel
  /** Null: records are kept in PostgreSQL alone. */
  readonly mongodbUrl: string | null
  /** Documents of one request to MongoDB. */
  readonly mongodbBatchSize: number
}
