import type { Token } from './position.js'

/**
 * Tokens that are another face of a chain's own currency: their `balanceOf` answers the native balance. They are read
 * like every token, but counting them beside the native balance counts the same money twice.
 */
const nativeAliases: ReadonlyMap<bigint, Token> = new Map([
  // Polygon PoS and its test network.
  [137n, '0x0000000000000000000000000000000000001010'],
  [80_002n, '0x0000000000000000000000000000000000001010'],
  // zkSync Era and its test network.
  [324n, '0x000000000000000000000000000000000000800a'],
  [300n, '0x000000000000000000000000000000000000800a'],
  // Celo and its test networks.
  [42_220n, '0x471ece3750da237f93b8e339c536989b8978a438'],
  [44_787n, '0xf194afdf50b03e69bd7d057c1aa9e10c9954e4c9'],
])

/** True for a token that is known to be the chain's own currency under another name. */
export function isNativeAlias(chainId: bigint, token: Token): boolean {
  return nativeAliases.get(chainId) === token
}
