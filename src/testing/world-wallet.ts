import { keccak256, stringToHex } from 'viem'
import { privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts'
import { type Address, parseAddress } from '../model/address.js'
import { WorldError } from './errors.js'

/** An account the world can sign for. Its address is in the stored form, lower case. */
export interface WorldWallet {
  readonly address: Address
  readonly account: PrivateKeyAccount
}

/** Anvil's first account: its key is public knowledge and it is rich on every such chain. */
const treasuryKey = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'

export function treasuryWallet(): WorldWallet {
  return walletOf(treasuryKey)
}

/** The same seed, role and index always give the same wallet. */
export function seededWallets(seed: number, role: 'solver' | 'counterparty', count: number): WorldWallet[] {
  return Array.from({ length: count }, (_, index) =>
    walletOf(keccak256(stringToHex(`tidemark/${seed}/${role}/${index}`))),
  )
}

function walletOf(privateKey: `0x${string}`): WorldWallet {
  const account = privateKeyToAccount(privateKey)
  const address = parseAddress(account.address)
  if (address === null) throw new WorldError(`expected an address, got ${account.address}`)
  return { address, account }
}
