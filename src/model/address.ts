import { getAddress } from 'viem/utils'

/** A 20-byte account address, `0x` and 40 lower-case hex digits: the form that is stored and compared. */
export type Address = `0x${string}`

const addressPattern = /^0x[0-9a-f]{40}$/

/** True for the stored form of an address: lower case, 20 bytes. */
export function isAddress(text: string): text is Address {
  return addressPattern.test(text)
}

/**
 * Reads an address in any letter case. Checksums are not verified: operators paste addresses in every form, and the
 * stored form is lower case anyway.
 */
export function parseAddress(text: string): Address | null {
  const lower = text.trim().toLowerCase()
  return isAddress(lower) ? lower : null
}

/** The EIP-55 spelling, in which every address leaves Tidemark. */
export function toChecksumAddress(address: Address): Address {
  return getAddress(address)
}
