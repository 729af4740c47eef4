import { type Hex, isHex, parseGwei } from 'viem'
import type { Address } from '../model/address.js'
import { messageOf } from '../model/errors.js'
import { WorldError } from './errors.js'
import type { Rpc } from './rpc.js'
import type { WorldWallet } from './world-wallet.js'

/** A transaction of one of the world's wallets. Without `to` it creates a contract. */
export interface WorldTransaction {
  readonly from: Address
  readonly to?: Address | undefined
  readonly value?: bigint | undefined
  readonly data?: Hex | undefined
  /** Never estimated: an estimate costs a round trip and refuses what is meant to fail. */
  readonly gas: bigint
}

/** Signs and sends, with nonces counted here, so that many transactions of one wallet can wait for the same block. */
export interface Sender {
  /** Sends all in one batch; their hashes come in the same order. */
  send(transactions: readonly WorldTransaction[]): Promise<Hex[]>
  /** Reads nonces from the chain again, as is needed after the chain lost transactions. */
  forgetNonces(): void
}

export const maxFeePerGas: bigint = parseGwei('100')
const maxPriorityFeePerGas = parseGwei('1')

export interface SenderOptions {
  readonly rpc: Rpc
  readonly chainId: bigint
  readonly wallets: readonly WorldWallet[]
}

export function createSender({ rpc, chainId, wallets }: SenderOptions): Sender {
  const accounts = new Map(wallets.map(({ address, account }) => [address, account]))
  const nonces = new Map<Address, number>()

  async function loadNonces(transactions: readonly WorldTransaction[]): Promise<void> {
    const missing = [...new Set(transactions.map(({ from }) => from))].filter((from) => !nonces.has(from))
    const counts = await Promise.all(missing.map((from) => rpc.quantity('eth_getTransactionCount', [from, 'pending'])))
    for (const [index, from] of missing.entries()) {
      // Another call may have read and used it meanwhile.
      if (!nonces.has(from)) nonces.set(from, Number(counts[index]))
    }
  }

  function sign({ from, to, value, data, gas }: WorldTransaction): Promise<Hex> {
    const account = accounts.get(from)
    const nonce = nonces.get(from)
    if (account === undefined || nonce === undefined) {
      throw new WorldError(`expected one of the world's wallets as sender, got ${from}`)
    }
    nonces.set(from, nonce + 1)
    const fees = { maxFeePerGas, maxPriorityFeePerGas }
    return account.signTransaction({ type: 'eip1559', chainId: Number(chainId), nonce, to, value, data, gas, ...fees })
  }

  return {
    async send(transactions) {
      for (const { from } of transactions) {
        if (!accounts.has(from)) throw new WorldError(`expected one of the world's wallets as sender, got ${from}`)
      }
      await loadNonces(transactions)
      // Nonces are taken in one turn, before anything is awaited, so that calls that overlap do not share one.
      const signed = await Promise.all(transactions.map(sign))
      const answers = await Promise.allSettled(signed.map((raw) => rpc.request('eth_sendRawTransaction', [raw])))
      return answers.map((answer, index) => {
        if (answer.status === 'fulfilled' && isHex(answer.value)) return answer.value
        nonces.clear()
        const cause = answer.status === 'rejected' ? answer.reason : answer.value
        const from = transactions[index]?.from
        throw new WorldError(`expected the node to take a transaction of ${from}, got: ${messageOf(cause)}`, { cause })
      })
    },
    forgetNonces() {
      nonces.clear()
    },
  }
}
