import type { TokenMetadata } from '../model/token-metadata.js'

/** A field that could not be read this time keeps what is known of it. */
export function mergeMetadata(known: TokenMetadata, read: TokenMetadata | undefined): TokenMetadata {
  return {
    decimals: read?.decimals ?? known.decimals,
    symbol: read?.symbol ?? known.symbol,
    name: read?.name ?? known.name,
  }
}

export function sameMetadata(one: TokenMetadata, other: TokenMetadata): boolean {
  return one.decimals === other.decimals && one.symbol === other.symbol && one.name === other.name
}
