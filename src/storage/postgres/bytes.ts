import type { Address } from '../../model/address.js'
import type { Hash, Token } from '../../model/position.js'

/** `0x…` text to the bytes that are stored. */
export function toBytes(hex: `0x${string}`): Buffer {
  return Buffer.from(hex.slice(2), 'hex')
}

/** Stored bytes back to `0x…` text in lower case. */
export function toHex(bytes: Buffer): `0x${string}` {
  return `0x${bytes.toString('hex')}`
}

export function toHash(bytes: Buffer): Hash {
  return toHex(bytes)
}

export function toAddress(bytes: Buffer): Address {
  return toHex(bytes)
}

/** The native currency is stored as an empty token. */
export function tokenToBytes(token: Token): Buffer {
  return token === 'native' ? Buffer.alloc(0) : toBytes(token)
}

export function bytesToToken(bytes: Buffer): Token {
  return bytes.length === 0 ? 'native' : toHex(bytes)
}
