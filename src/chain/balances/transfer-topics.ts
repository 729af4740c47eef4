import type { Hash } from '../../model/position.js'

/** `Transfer(address,address,uint256)`, and the two events with which WETH9 moves balances without one. */
export const TRANSFER: Hash = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
export const DEPOSIT: Hash = '0xe1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c'
export const WITHDRAWAL: Hash = '0x7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65'

/** Events with which tokens announce that every holder's balance changed. */
export const REBASES: readonly Hash[] = [
  // TokenRebased and SharesBurnt of stETH.
  '0xff08c3ef606d198e316ef5b822193c489965899eb4e3c248cea1a4626c3eda50',
  '0x8b2a1e1ad5e0578c3dd82494156e985dade827a87c573b5c1c7716a32162ad64',
  // LogRebase of Ampleforth and its kin.
  '0x72725a3b1e5bd622d6bcd1339bb31279c351abe8f541ac7fd320f24e1b1641f2',
  // Rebase(uint256,uint256).
  '0x11c6bf55864ff83827df712625d7a80e5583eef0264921025e7cd22003a21511',
  // TotalSupplyUpdatedHighres of OUSD and its kin.
  '0x41645eb819d3011b13f97696a8109d14bfcddfaca7d063ec0564d62a3e257235',
]

/** All events that may tell of a token's movement. */
export const MOVEMENT_TOPICS: readonly Hash[] = [TRANSFER, DEPOSIT, WITHDRAWAL, ...REBASES]
