import { getContractAddress } from 'viem/utils'

import type { Address } from '../../model/address.js'
import { parseAddress } from '../../model/address.js'
import type { Hash, Hex, Token } from '../../model/position.js'
import { NO_ACCOUNT } from './abi-words.js'
import type { ModelWalletKind } from './model-action.js'
import type { ModelBlock, ModelCall, ModelLog, ModelTransaction, ModelWithdrawal } from './model-block.js'
import { ModelChainError } from './model-chain-error.js'
import type { ModelRegistry } from './model-registry.js'
import type { ModelToken } from './model-token.js'
import { hashText, sealBlock } from './seal-block.js'
import { StateDraft, nativeKey, nonceKey } from './state.js'
import { ownedOf, readableBalance } from './token-balance.js'

const GWEI = 10n ** 9n
/** Gas of a transaction that only moves value. */
export const TRANSFER_GAS = 21_000n
const TIP_GWEI_MAX = 3n

/** A transaction before it has an index. */
export interface TransactionPlan {
  readonly from: Address
  /** Null creates a contract. */
  readonly to: Address | null
  readonly value?: bigint
  readonly input?: Hex
  readonly gasUsed?: bigint
  readonly succeeded?: boolean
  readonly logs?: readonly { readonly address: Address; readonly topics: readonly Hash[]; readonly data: Hex }[]
  /** Value moved inside. The moves are made here. */
  readonly inner?: readonly { readonly from: Address; readonly to: Address; readonly value: bigint }[]
}

/** A block while it is made: what has happened in it so far, on top of its parent's state. */
export class BlockBuilder {
  readonly registry: ModelRegistry
  readonly state: StateDraft
  readonly number: bigint
  readonly timestampSeconds: number
  readonly withdrawals: ModelWithdrawal[] = []
  producer: Address = NO_ACCOUNT
  readonly #parent: ModelBlock
  readonly #transactions: ModelTransaction[] = []
  readonly #baseFee: bigint
  #tips = 0n
  #logs = 0

  constructor(parent: ModelBlock, registry: ModelRegistry, blockTimeSeconds: number) {
    this.registry = registry
    this.#parent = parent
    this.state = new StateDraft(parent.state)
    this.number = parent.number + 1n
    this.timestampSeconds = parent.timestampSeconds + blockTimeSeconds
    // It moves, as on any chain, but in a way that needs no market.
    this.#baseFee = (GWEI * (10n + (this.number % 7n))) / 10n
  }

  walletKind(wallet: Address): ModelWalletKind {
    return this.registry.kindOf(wallet, this.state)
  }

  /** Who signs for a wallet: a contract has no key. */
  signerOf(wallet: Address): Address {
    return this.walletKind(wallet) === 'contract' ? this.registry.operator : wallet
  }

  balanceOf(token: Token, wallet: Address): bigint | 'unreadable' {
    if (token === 'native') return this.state.get(nativeKey(wallet))
    return readableBalance(this.token(token), this.state, {
      holder: wallet,
      timestampSeconds: this.timestampSeconds,
    })
  }

  owned(token: ModelToken, holder: Address): bigint {
    return ownedOf(token, this.state, { holder, timestampSeconds: this.timestampSeconds })
  }

  token(address: Address): ModelToken {
    const token = this.registry.token(address)
    if (token === undefined) throw new ModelChainError(`expected a token of this chain, got ${address}`)
    return token
  }

  move(from: Address, to: Address, value: bigint): void {
    const held = this.state.get(nativeKey(from))
    if (value < 0n || held < value) {
      throw new ModelChainError(`block ${this.number}: ${from} cannot pay ${value} wei, it holds ${held}`)
    }
    this.state.add(nativeKey(from), -value)
    this.state.add(nativeKey(to), value)
  }

  transact(plan: TransactionPlan): ModelTransaction {
    const { from, to, value = 0n, input = '0x', gasUsed = TRANSFER_GAS, succeeded = true, logs = [], inner = [] } = plan
    const nonce = this.state.get(nonceKey(from))
    const hash = hashText([this.registry.name, from, `${nonce}`, `${to}`, `${value}`, input, `${gasUsed} ${succeeded}`])
    const tip = GWEI * (1n + (BigInt(`0x${hash.slice(2, 6)}`) % TIP_GWEI_MAX))
    this.#payFee(from, gasUsed, tip)
    this.state.set(nonceKey(from), nonce + 1n)
    const created = to === null ? addressOfCreation(from, nonce) : null
    const target = to ?? created ?? NO_ACCOUNT
    if (succeeded) {
      this.move(from, target, value)
      for (const call of inner) this.move(call.from, call.to, call.value)
    }
    const index = this.#transactions.length
    const transaction: ModelTransaction = {
      hash,
      index,
      from,
      to,
      created: succeeded ? created : null,
      nonce,
      value,
      input,
      gasUsed,
      succeeded,
      gasPrice: this.#baseFee + tip,
      logs: succeeded ? logs.map((log) => this.#placed(log, hash, index)) : [],
      trace: {
        type: to === null ? ('CREATE' as const) : ('CALL' as const),
        from,
        to: target,
        value,
        failed: !succeeded,
        calls: inner.map((call): ModelCall => ({ type: 'CALL', ...call, failed: false, calls: [] })),
      },
    }
    this.#transactions.push(transaction)
    return transaction
  }

  /** @param extraData what tells this block from its siblings */
  seal(extraData: Hex): ModelBlock {
    if (this.#tips > 0n) this.state.add(nativeKey(this.producer), this.#tips)
    return sealBlock({
      parent: this.#parent,
      timestampSeconds: this.timestampSeconds,
      producer: this.producer,
      baseFee: this.#baseFee,
      extraData,
      transactions: this.#transactions,
      withdrawals: this.withdrawals,
      draft: this.state,
    })
  }

  /** The base fee is burnt, the tip is the producer's. */
  #payFee(from: Address, gasUsed: bigint, tip: bigint): void {
    const fee = gasUsed * (this.#baseFee + tip)
    const held = this.state.get(nativeKey(from))
    if (held < fee)
      throw new ModelChainError(`block ${this.number}: ${from} cannot pay a fee of ${fee} wei out of ${held}`)
    this.state.add(nativeKey(from), -fee)
    this.#tips += gasUsed * tip
  }

  #placed(
    log: { readonly address: Address; readonly topics: readonly Hash[]; readonly data: Hex },
    transactionHash: Hash,
    transactionIndex: number,
  ): ModelLog {
    const logIndex = this.#logs
    this.#logs += 1
    return { ...log, transactionHash, transactionIndex, logIndex }
  }
}

function addressOfCreation(from: Address, nonce: bigint): Address {
  const address = parseAddress(getContractAddress({ from, nonce }))
  if (address === null) throw new Error('invariant: the address of a creation is an address')
  return address
}
