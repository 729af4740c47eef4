import type { Address } from '../../model/address.js'
import type { Hash, Hex } from '../../model/position.js'
import {
  DEPOSIT,
  LOG_REBASE,
  NO_ACCOUNT,
  TRANSFER,
  WITHDRAWAL,
  addressWord,
  callData,
  selectors,
  word,
} from './abi-words.js'
import { transferData } from './answer-token-call.js'
import type { BlockBuilder } from './block-builder.js'
import type { ModelAction } from './model-action.js'
import { ModelChainError } from './model-chain-error.js'
import type { ModelToken } from './model-token.js'
import { figureKey, unitsKey } from './state.js'
import { ONE, indexOf } from './token-balance.js'

const CALL_GAS = 60_000n
/** A fee-on-transfer token keeps one part of so many. */
const FEE_PARTS = 100n

type TokenAction = Extract<ModelAction, { readonly token: Address }>
type Log = { readonly address: Address; readonly topics: readonly Hash[]; readonly data: Hex }

/** Actions of one token that stands already. */
export function performToken(builder: BlockBuilder, action: ModelAction): void {
  const own = action as TokenAction
  const token = builder.token(own.token)
  switch (own.kind) {
    case 'token-transfer':
      return transfer(builder, token, own)
    case 'token-mint':
      mint(builder, token, own.to, own.value)
      return call(builder, token, {
        input: transferData(selectors.mint, own.to, own.value),
        logs: transferLogs(token, NO_ACCOUNT, own.to, own.value),
      })
    case 'token-burn':
      burn(builder, token, own.from, own.value)
      return call(builder, token, {
        input: transferData(selectors.burn, own.from, own.value),
        logs: transferLogs(token, own.from, NO_ACCOUNT, own.value),
      })
    case 'deposit':
      return deposit(builder, token, own)
    case 'withdraw':
      return withdraw(builder, token, own)
    case 'rebase':
      return rebase(builder, token, own.basisPoints)
    case 'phantom-transfer':
      if (token.kind !== 'phantom') throw new ModelChainError(`expected a phantom token, got a ${token.kind} one`)
      return call(builder, token, { logs: [transferLog(token, own.from, own.to, own.value)] })
    case 'set-broken':
      if (token.kind !== 'reverting') throw new ModelChainError(`expected a reverting token, got a ${token.kind} one`)
      builder.state.set(figureKey(token.address, 'broken'), own.broken ? 1n : 0n)
      return call(builder, token, {})
  }
}

/** A call by an outsider. */
function call(
  builder: BlockBuilder,
  token: ModelToken,
  { input = '0x00000001', logs = [] }: { readonly input?: Hex; readonly logs?: readonly Log[] },
): void {
  builder.transact({ from: builder.registry.operator, to: token.address, input, gasUsed: CALL_GAS, logs })
}

function transfer(
  builder: BlockBuilder,
  token: ModelToken,
  { from, to, value }: Extract<TokenAction, { kind: 'token-transfer' }>,
): void {
  const held = builder.owned(token, from)
  if (held < value) throw new ModelChainError(`${from} holds ${held} of ${token.address}, expected ${value} at least`)
  const signer = builder.signerOf(from)
  const input = transferData(selectors.transfer, to, value)
  // A contract wallet is called by its signer and calls the token itself.
  const target = signer === from ? token.address : from
  builder.transact({ from: signer, to: target, input, gasUsed: CALL_GAS, logs: transferLogs(token, from, to, value) })
  if (token.kind === 'native-alias') {
    const left = builder.owned(token, from)
    builder.move(from, to, left < value ? left : value)
    return
  }
  burn(builder, token, from, value)
  mint(builder, token, to, token.kind === 'fee-on-transfer' ? value - value / FEE_PARTS : value)
}

function deposit(
  builder: BlockBuilder,
  token: ModelToken,
  { from, value }: Extract<TokenAction, { kind: 'deposit' }>,
): void {
  requireWrapper(token)
  const signer = builder.signerOf(from)
  const log = { address: token.address, topics: [DEPOSIT, addressWord(from)], data: word(value) }
  const logs = token.kind === 'arbitrum-weth' ? [transferLog(token, NO_ACCOUNT, from, value), log] : [log]
  const input = callData(selectors.deposit)
  if (signer === from) builder.transact({ from, to: token.address, value, input, gasUsed: CALL_GAS, logs })
  else {
    const inner = [{ from, to: token.address, value }]
    builder.transact({ from: signer, to: from, input, gasUsed: CALL_GAS, logs, inner })
  }
  builder.state.add(unitsKey(token.address, from), value)
}

function withdraw(
  builder: BlockBuilder,
  token: ModelToken,
  { from, value }: Extract<TokenAction, { kind: 'withdraw' }>,
): void {
  requireWrapper(token)
  burn(builder, token, from, value)
  const signer = builder.signerOf(from)
  const log = { address: token.address, topics: [WITHDRAWAL, addressWord(from)], data: word(value) }
  const logs = token.kind === 'arbitrum-weth' ? [transferLog(token, from, NO_ACCOUNT, value), log] : [log]
  const to = signer === from ? token.address : from
  const inner = [{ from: token.address, to: from, value }]
  builder.transact({
    from: signer,
    to,
    input: callData(selectors.withdraw, word(value)),
    gasUsed: CALL_GAS,
    logs,
    inner,
  })
}

function requireWrapper(token: ModelToken): void {
  if (token.kind !== 'weth9' && token.kind !== 'arbitrum-weth') {
    throw new ModelChainError(`expected a token that wraps the native currency, got a ${token.kind} one`)
  }
}

function rebase(builder: BlockBuilder, token: ModelToken, basisPoints: number): void {
  if (token.kind !== 'rebasing' && token.kind !== 'rebasing-with-event') {
    throw new ModelChainError(`expected a rebasing token, got a ${token.kind} one`)
  }
  const key = figureKey(token.address, 'index')
  const index = (builder.state.get(key) * BigInt(10_000 + basisPoints)) / 10_000n
  builder.state.set(key, index)
  const log = { address: token.address, topics: [LOG_REBASE, word(builder.number)], data: word(index) }
  call(builder, token, { input: callData(selectors.rebase), logs: token.kind === 'rebasing-with-event' ? [log] : [] })
}

function mint(builder: BlockBuilder, token: ModelToken, to: Address, value: bigint): void {
  if (token.kind === 'native-alias') throw new ModelChainError('a native alias can be neither minted nor burnt')
  builder.state.add(unitsKey(token.address, to), unitsFor(builder, token, value))
}

function burn(builder: BlockBuilder, token: ModelToken, from: Address, value: bigint): void {
  if (token.kind === 'native-alias') throw new ModelChainError('a native alias can be neither minted nor burnt')
  const key = unitsKey(token.address, from)
  const units = unitsFor(builder, token, value)
  const held = builder.state.get(key)
  if (held < units) throw new ModelChainError(`${from} holds ${held} units of ${token.address}, expected ${units}`)
  builder.state.set(key, held - units)
}

function unitsFor(builder: BlockBuilder, token: ModelToken, value: bigint): bigint {
  return (value * ONE) / indexOf(token, builder.state, builder.timestampSeconds)
}

function transferLogs(token: ModelToken, from: Address, to: Address, value: bigint): readonly Log[] {
  return token.kind === 'silent' ? [] : [transferLog(token, from, to, value)]
}

function transferLog(token: ModelToken, from: Address, to: Address, value: bigint): Log {
  return { address: token.address, topics: [TRANSFER, addressWord(from), addressWord(to)], data: word(value) }
}
