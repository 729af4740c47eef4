import type { Address } from '../../model/address.js'
import type { ModelTokenSpec } from './model-token.js'

/** How a wallet is made: without code, as a contract, or as a plain account that delegates to a contract (EIP-7702). */
export type ModelWalletKind = 'plain' | 'contract' | 'delegated'

export interface ModelWalletSpec {
  readonly address: Address
  readonly kind?: ModelWalletKind
  /** Wei in the block that makes the wallet. */
  readonly balance?: bigint
}

/**
 * Something that happens in a block. Amounts are in the smallest unit. A transaction of a contract wallet is sent by an
 * outsider who pays its fee.
 */
export type ModelAction =
  /** A transaction with value. To itself it only costs the fee. */
  | { readonly kind: 'transfer'; readonly from: Address; readonly to: Address; readonly value: bigint }
  /** A transaction that fails: only the fee is taken. */
  | { readonly kind: 'failed-transfer'; readonly from: Address; readonly to: Address; readonly value: bigint }
  /** An outsider's transaction makes an account with code pay. */
  | { readonly kind: 'internal'; readonly from: Address; readonly to: Address; readonly value: bigint }
  /** The wallet creates a contract and gives it value. */
  | { readonly kind: 'create'; readonly from: Address; readonly value: bigint }
  /** A validator's withdrawal: no transaction, but named in the block's body. */
  | { readonly kind: 'withdrawal'; readonly to: Address; readonly amountGwei: bigint }
  /** The block's reward for a producer: no transaction and no trace of its amount. The block's tips go there too. */
  | { readonly kind: 'produce'; readonly producer: Address; readonly reward: bigint }
  /** A change of a native balance that nothing in the block tells of. */
  | { readonly kind: 'irregular'; readonly to: Address; readonly value: bigint }
  | { readonly kind: 'make-wallet'; readonly wallet: ModelWalletSpec }
  | { readonly kind: 'deploy-token'; readonly token: ModelTokenSpec }
  | {
      readonly kind: 'token-transfer'
      readonly token: Address
      readonly from: Address
      readonly to: Address
      readonly value: bigint
    }
  | { readonly kind: 'token-mint'; readonly token: Address; readonly to: Address; readonly value: bigint }
  | { readonly kind: 'token-burn'; readonly token: Address; readonly from: Address; readonly value: bigint }
  | { readonly kind: 'deposit'; readonly token: Address; readonly from: Address; readonly value: bigint }
  | { readonly kind: 'withdraw'; readonly token: Address; readonly from: Address; readonly value: bigint }
  /** Changes every balance of a rebasing token by so many ten-thousandths, up or down. */
  | { readonly kind: 'rebase'; readonly token: Address; readonly basisPoints: number }
  /** A Transfer log of a movement that did not happen. */
  | {
      readonly kind: 'phantom-transfer'
      readonly token: Address
      readonly from: Address
      readonly to: Address
      readonly value: bigint
    }
  /** Breaks or heals a `reverting` token. */
  | { readonly kind: 'set-broken'; readonly token: Address; readonly broken: boolean }
