import type { Address } from './address.js'
import { parseAddress, toChecksumAddress } from './address.js'

/** A token of a chain: an ERC-20 contract address, or `native` for the chain's own currency. */
export type Token = Address | 'native'

/** One token of one solver on one chain: the thing that has a balance. */
export interface Position {
  readonly chainId: bigint
  readonly token: Token
  readonly solver: Address
}

/** A 32-byte hash, `0x` and 64 lower-case hex digits. */
export type Hash = `0x${string}`

/** Bytes as `0x` and lower-case hex digits. */
export type Hex = `0x${string}`

/** Reads `native` or an address in any letter case. */
export function parseToken(text: string): Token | null {
  return text.trim().toLowerCase() === 'native' ? 'native' : parseAddress(text)
}

/** The spelling in which a token leaves Tidemark: `native` or EIP-55. */
export function formatToken(token: Token): Token {
  return token === 'native' ? token : toChecksumAddress(token)
}

/** The same thousands of positions are looked up in every block: making and hashing their texts would cost the most. */
const keys = new WeakMap<Position, string>()

/** A text that is equal for equal positions, for use as a map key. */
export function positionKey(position: Position): string {
  const known = keys.get(position)
  if (known !== undefined) return known
  const key = `${position.chainId}:${position.token}:${position.solver}`
  keys.set(position, key)
  return key
}
