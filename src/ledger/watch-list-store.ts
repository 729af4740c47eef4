import type { Address } from '../model/address.js'
import type { WatchedSolver, WatchedToken } from '../model/watch-list.js'

/** What the configuration asks to watch. */
export interface ConfiguredWatchList {
  readonly chains: readonly { readonly chainId: bigint; readonly name: string; readonly tokens: readonly Address[] }[]
  readonly solvers: readonly { readonly address: Address; readonly label: string | null }[]
}

/** `configured`: the entry stands in the configuration, so only the configuration can take it away. */
export type RemovalResult = 'removed' | 'configured' | 'unknown'

/**
 * Who and what is watched. Every solver is watched for `native` and for every token of every chain; the positions follow
 * from the two lists in the same transaction, and a `watch-list.changed` event tells every process.
 */
export interface WatchListStore {
  /** Takes over the configuration's lists: entries that left it stay only if they were also added at run time. */
  applyConfiguration(lists: ConfiguredWatchList): Promise<void>
  solvers(): Promise<readonly WatchedSolver[]>
  /** Tokens of one chain; null when the chain is unknown. */
  tokens(chainId: bigint): Promise<readonly WatchedToken[] | null>
  /** Adds a solver, or changes its label. A label of `undefined` leaves it as it is. */
  addSolver(solver: { readonly address: Address; readonly label?: string | null | undefined }): Promise<WatchedSolver>
  removeSolver(address: Address): Promise<RemovalResult>
  addTokens(chainId: bigint, tokens: readonly Address[]): Promise<readonly WatchedToken[]>
  removeToken(chainId: bigint, token: Address): Promise<RemovalResult>
}
