import type { Address } from './address.js'
import type { TokenMetadata } from './token-metadata.js'

/** Whether an entry stands in the configuration (and cannot be removed at run time) or was added at run time. */
export type WatchOrigin = 'config' | 'runtime'

/** A token that is watched on a chain, with the origin of the wish. */
export interface WatchedToken extends TokenMetadata {
  readonly chainId: bigint
  readonly address: Address
  readonly origin: WatchOrigin
}

/** A wallet that is watched on every chain. */
export interface WatchedSolver {
  readonly address: Address
  readonly label: string | null
  readonly origin: WatchOrigin
}
