import type { Address } from '../../model/address.js'
import type { Hash, Hex } from '../../model/position.js'

/** Topics and selectors are the first bytes of the Keccak hash of the signature beside them. */
/** `Transfer(address,address,uint256)` */
export const TRANSFER: Hash = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
/** `Deposit(address,uint256)` */
export const DEPOSIT: Hash = '0xe1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c'
/** `Withdrawal(address,uint256)` */
export const WITHDRAWAL: Hash = '0x7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65'
/** `LogRebase(uint256,uint256)` */
export const LOG_REBASE: Hash = '0x72725a3b1e5bd622d6bcd1339bb31279c351abe8f541ac7fd320f24e1b1641f2'

export const selectors = {
  balanceOf: '70a08231',
  decimals: '313ce567',
  symbol: '95d89b41',
  name: '06fdde03',
  transfer: 'a9059cbb',
  deposit: 'd0e30db0',
  withdraw: '2e1a7d4d',
  mint: '40c10f19',
  burn: '9dc29fac',
  rebase: '7a43e23f',
} as const

export const NO_ACCOUNT: Address = '0x0000000000000000000000000000000000000000'

export function word(value: bigint): Hash {
  return `0x${value.toString(16).padStart(64, '0')}`
}

export function addressWord(address: Address): Hash {
  return `0x${address.slice(2).padStart(64, '0')}`
}

/** Call data: a selector and its words. */
export function callData(selector: string, ...words: readonly Hash[]): Hex {
  return `0x${selector}${words.map((each) => each.slice(2)).join('')}`
}

export function bytesOf(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.slice(2), 'hex'))
}

export function hexOf(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`
}

export function quantity(value: bigint | number): Hex {
  return `0x${value.toString(16)}`
}
