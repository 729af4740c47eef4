import type { Address } from '../../model/address.js'
import type { BlockBuilder } from './block-builder.js'
import { TRANSFER_GAS } from './block-builder.js'
import type { ModelAction, ModelWalletSpec } from './model-action.js'
import { ModelChainError } from './model-chain-error.js'
import type { ModelTokenSpec } from './model-token.js'
import { codeKey, figureKey, nativeKey, nonceKey, unitsKey } from './state.js'
import type { StateDraft } from './state.js'
import { ONE } from './token-balance.js'
import type { ModelRegistry } from './model-registry.js'

const CALL_GAS = 45_000n
const CREATE_GAS = 120_000n
const WEI_PER_GWEI = 10n ** 9n

type NativeAction = Exclude<ModelAction, { readonly token: Address }>

/** Actions that move native currency, and those that put something new on the chain. */
export function performNative(builder: BlockBuilder, action: ModelAction): void {
  const native = action as NativeAction
  switch (native.kind) {
    case 'transfer':
      return transfer(builder, native)
    case 'failed-transfer': {
      const { from, to, value } = native
      builder.transact({ from: builder.signerOf(from), to, value, gasUsed: TRANSFER_GAS + 9000n, succeeded: false })
      return
    }
    case 'internal': {
      const { from, to, value } = native
      if (builder.walletKind(from) === 'plain') {
        throw new ModelChainError(`expected an account with code to pay from within, got ${from}`)
      }
      const { operator } = builder.registry
      builder.transact({ from: operator, to: from, gasUsed: CALL_GAS, inner: [{ from, to, value }] })
      return
    }
    case 'create':
      return create(builder, native)
    case 'withdrawal':
      builder.withdrawals.push({ to: native.to, amountGwei: native.amountGwei })
      builder.state.add(nativeKey(native.to), native.amountGwei * WEI_PER_GWEI)
      return
    case 'produce':
      builder.producer = native.producer
      builder.state.add(nativeKey(native.producer), native.reward)
      return
    case 'irregular': {
      const held = builder.state.get(nativeKey(native.to))
      if (held + native.value < 0n) throw new ModelChainError(`${native.to} holds only ${held} wei`)
      builder.state.add(nativeKey(native.to), native.value)
      return
    }
    case 'make-wallet':
      return makeWallet(builder.registry, builder.state, native.wallet)
    case 'deploy-token':
      return deployToken(builder.registry, builder.state, {
        spec: native.token,
        timestampSeconds: builder.timestampSeconds,
      })
  }
}

function transfer(builder: BlockBuilder, { from, to, value }: Extract<NativeAction, { kind: 'transfer' }>): void {
  const signer = builder.signerOf(from)
  if (signer === from) builder.transact({ from, to, value })
  else builder.transact({ from: signer, to: from, gasUsed: CALL_GAS, inner: [{ from, to, value }] })
}

function create(builder: BlockBuilder, { from, value }: Extract<NativeAction, { kind: 'create' }>): void {
  if (builder.walletKind(from) === 'contract') throw new ModelChainError(`${from} has no key to create with`)
  const { created } = builder.transact({ from, to: null, value, gasUsed: CREATE_GAS, input: '0x6001600055' })
  if (created !== null) builder.state.set(codeKey(created), builder.registry.walletCode('contract'))
}

export function makeWallet(registry: ModelRegistry, state: StateDraft, wallet: ModelWalletSpec): void {
  const kind = wallet.kind ?? 'plain'
  registry.addWallet(wallet.address)
  state.set(codeKey(wallet.address), registry.walletCode(kind))
  // A contract's own nonce begins at one; to delegate takes a nonce as well.
  if (kind !== 'plain') state.set(nonceKey(wallet.address), 1n)
  state.add(nativeKey(wallet.address), wallet.balance ?? 0n)
}

export function deployToken(
  registry: ModelRegistry,
  state: StateDraft,
  { spec, timestampSeconds }: { readonly spec: ModelTokenSpec; readonly timestampSeconds: number },
): void {
  const token = registry.addToken(spec)
  const { address } = token
  state.set(codeKey(address), registry.codeNumber(token.code))
  state.set(figureKey(address, 'index'), ONE)
  state.set(figureKey(address, 'since'), BigInt(timestampSeconds))
  state.set(figureKey(address, 'broken'), spec.broken === true ? 1n : 0n)
  for (const [holder, balance] of Object.entries(spec.holders ?? {})) {
    state.set(unitsKey(address, holder as Address), balance)
    if (token.kind === 'weth9' || token.kind === 'arbitrum-weth') state.add(nativeKey(address), balance)
  }
}
