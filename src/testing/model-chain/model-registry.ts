import type { Address } from '../../model/address.js'
import type { Hex } from '../../model/position.js'
import type { ModelWalletKind } from './model-action.js'
import { ModelChainError } from './model-chain-error.js'
import type { ModelToken, ModelTokenSpec } from './model-token.js'
import { hashText } from './seal-block.js'
import { codeKey } from './state.js'
import type { StateReader } from './state.js'
import { bytesOf } from './abi-words.js'

const DELEGATION = '0xef0100'
/** Code that does nothing, longer than a delegation. */
const WALLET_CODE: Hex = `0x00${'5b'.repeat(40)}`
const HOSTILE_NAME = '<script>alert(1)</script>\u202Eno\u0000\u0007 \u200B"\u2028'

/** What is the same on every branch: names, addresses and codes. Whether they are there yet, the state tells. */
export class ModelRegistry {
  /** Tells chains of other seeds and ids apart. */
  readonly name: string
  /** An account with a key that is none of the wallets. */
  readonly operator: Address
  /** A contract with plenty of native currency. */
  readonly treasury: Address
  readonly #wallets: Address[] = []
  readonly #tokens = new Map<Address, ModelToken>()
  /** Code 0 is no code. */
  readonly #codes: { readonly hex: Hex; readonly bytes: Uint8Array }[] = [{ hex: '0x', bytes: new Uint8Array(0) }]
  readonly #codeNumbers = new Map<Hex, bigint>([['0x', 0n]])

  constructor(chainId: bigint, seed: number) {
    this.name = `model chain ${chainId} of seed ${seed}`
    this.operator = this.addressOf('operator')
    this.treasury = this.addressOf('treasury')
  }

  addressOf(what: string): Address {
    return `0x${hashText([this.name, what]).slice(26)}`
  }

  addWallet(address: Address): void {
    if (!this.#wallets.includes(address)) this.#wallets.push(address)
  }

  /** Accounts of the chain itself are made like wallets but are none. */
  forgetWallets(): void {
    this.#wallets.length = 0
  }

  addToken(spec: ModelTokenSpec): ModelToken {
    const address = spec.address ?? this.addressOf(`token ${this.#tokens.size}`)
    const known = this.#tokens.get(address)
    if (known !== undefined) {
      // The same deployment may be made on several branches.
      if (known.kind === spec.kind) return known
      throw new ModelChainError(`expected a free address for a token, got ${address} of a ${known.kind} token`)
    }
    const token: ModelToken = {
      kind: spec.kind,
      address,
      name: spec.name ?? (spec.kind === 'hostile-name' ? HOSTILE_NAME : `Model ${spec.kind}`),
      symbol: spec.symbol ?? `M${this.#tokens.size}`,
      decimals: BigInt(spec.decimals ?? 18),
      code: spec.kind === 'no-code' ? '0x' : `0xfe${Buffer.from(`${spec.kind} ${address}`).toString('hex')}`,
    }
    this.#tokens.set(address, token)
    return token
  }

  token(address: Address): ModelToken | undefined {
    return this.#tokens.get(address)
  }

  get wallets(): readonly Address[] {
    return this.#wallets
  }

  get tokens(): readonly ModelToken[] {
    return [...this.#tokens.values()]
  }

  /** Tokens that stand in this state. */
  tokensIn(state: StateReader): readonly ModelToken[] {
    return this.tokens.filter(({ address }) => state.get(codeKey(address)) !== 0n)
  }

  kindOf(account: Address, state: StateReader): ModelWalletKind {
    const { hex } = this.codeOf(account, state)
    if (hex === '0x') return 'plain'
    return hex.startsWith(DELEGATION) ? 'delegated' : 'contract'
  }

  walletCode(kind: ModelWalletKind): bigint {
    switch (kind) {
      case 'plain':
        return 0n
      case 'contract':
        return this.codeNumber(WALLET_CODE)
      case 'delegated':
        return this.codeNumber(`${DELEGATION}${this.addressOf('delegate').slice(2)}` as Hex)
    }
  }

  codeNumber(hex: Hex): bigint {
    const known = this.#codeNumbers.get(hex)
    if (known !== undefined) return known
    const number = BigInt(this.#codes.length)
    this.#codes.push({ hex, bytes: bytesOf(hex) })
    this.#codeNumbers.set(hex, number)
    return number
  }

  codeOf(account: Address, state: StateReader): { readonly hex: Hex; readonly bytes: Uint8Array } {
    const code = this.#codes[Number(state.get(codeKey(account)))]
    if (code === undefined) throw new Error('invariant: every code has a number')
    return code
  }
}
