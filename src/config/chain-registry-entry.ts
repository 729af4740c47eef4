/** What is known about a public chain before any endpoint of it has answered. One line of the generated table. */
export interface ChainRegistryEntry {
  /** Chain id; every id in the table is below 2^53, and becomes a bigint where it leaves this folder. */
  readonly id: number
  /** Prefix of the chain's environment variables. */
  readonly key: string
  readonly name: string
  readonly symbol: string
  readonly decimals: number
  readonly nativeName: string
  /** Usual time between blocks; absent when not known. */
  readonly blockTimeMs?: number
  /** `false`: no Multicall3 is known; an address: it stands elsewhere; absent: it stands at its usual address. */
  readonly multicall3?: false | string
  readonly testnet?: true
  readonly explorer?: string
}
