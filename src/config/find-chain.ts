import { toChainKey } from './chain-key.js'
import type { ChainRegistryEntry } from './chain-registry-entry.js'
import { chainAliases, chainRegistry } from './chain-registry.js'

/** A chain that a setting speaks of. `facts` is null for a chain that is known by its id only. */
export interface ChainReference {
  /** Decimal digits, as in `CHAIN_<id>_RPC_URL`. */
  readonly id: string
  readonly facts: ChainRegistryEntry | null
}

/** The largest chain id that EIP-2294 allows. */
const largestChainId = 9223372036854775771n

const entryByKey = new Map([...chainRegistry, ...chainAliases].map((entry) => [entry.key, entry]))
const entryById = new Map(chainRegistry.map((entry) => [String(entry.id), entry]))

/** Every prefix that names a chain in an environment variable, besides `CHAIN_<id>`. */
export const chainKeys: readonly string[] = [...entryByKey.keys()]

/** The chain with this name, in any of the spellings `ARBITRUM_NOVA`, `arbitrumNova` and `arbitrum-nova`, or null. */
export function findChainByName(name: string): ChainReference | null {
  const facts = entryByKey.get(toChainKey(name))
  return facts === undefined ? null : { id: String(facts.id), facts }
}

/** The chain with this id, in decimal digits without leading zeros; null when no chain can have it. */
export function findChainById(digits: string): ChainReference | null {
  if (!/^[1-9]\d{0,18}$/.test(digits) || BigInt(digits) > largestChainId) return null
  return { id: digits, facts: entryById.get(digits) ?? null }
}
