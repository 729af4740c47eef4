import type { Address } from '../../model/address.js'
import { NO_ACCOUNT, bytesOf, hexOf, quantity, word } from './abi-words.js'
import { answerTokenCall } from './answer-token-call.js'
import type { EvmHost } from './evm/evm-host.js'
import { NOTHING } from './evm/evm-host.js'
import { executeCall } from './evm/execute-call.js'
import type { ModelBlock } from './model-block.js'
import { refuse } from './node-refusal.js'
import { blockOfState, readAddress } from './node-window.js'
import type { NodeMethod, NodeWindow } from './node-window.js'
import { GAS_LIMIT } from './seal-block.js'
import { nativeKey, nonceKey } from './state.js'

const CALL_GAS = 21_000
const ZERO_BYTE_GAS = 4
const BYTE_GAS = 16
const REVERTED = 3
const hexPattern = /^0x([0-9a-fA-F]{2})*$/
/** Overriding code comes again and again; it is analysed once. */
const OVERRIDES_MAX = 100
const overridingCodes = new Map<string, Uint8Array>()

export const stateMethods: Readonly<Record<string, NodeMethod>> = {
  eth_getBalance: (window, [account, at]) =>
    quantity(blockOfState(window, at).state.get(nativeKey(readAddress(account)))),
  eth_getTransactionCount: (window, [account, at]) =>
    quantity(blockOfState(window, at).state.get(nonceKey(readAddress(account)))),
  eth_getCode: (window, [account, at]) =>
    window.registry.codeOf(readAddress(account), blockOfState(window, at).state).hex,
  eth_getStorageAt: (window, [, , at]) => {
    blockOfState(window, at)
    return word(0n)
  },
  eth_call: call,
}

function call(window: NodeWindow, params: readonly unknown[]): unknown {
  const [asked, at, override] = params
  const { features } = window
  if (override !== undefined && features.stateOverride === false) {
    refuse(-32602, 'too many arguments, want at most 2')
  }
  if (typeof asked !== 'object' || asked === null) refuse(-32602, 'missing value for required argument 0')
  const fields = asked as Readonly<Record<string, unknown>>
  const block = blockOfState(window, at)
  const data = readData(fields['input'] ?? fields['data'] ?? '0x')
  const wanted = typeof fields['gas'] === 'string' ? Number(fields['gas']) : features.callGasCap
  const gas = Math.min(wanted, features.callGasCap) - intrinsicGas(data)
  if (gas < 0) refuse(-32000, `err: intrinsic gas too low: have ${gas + intrinsicGas(data)} (supplied gas ${wanted})`)
  const codes = features.stateOverride === true ? readOverride(override) : new Map<Address, Uint8Array>()
  const outcome = executeCall(hostOf(window, block, codes), {
    from: BigInt(fields['from'] === undefined ? NO_ACCOUNT : readAddress(fields['from'])),
    to: BigInt(readAddress(fields['to'])),
    data,
    gas,
  })
  switch (outcome.kind) {
    case 'return':
      return hexOf(outcome.output)
    case 'revert':
      return refuse(REVERTED, 'execution reverted', hexOf(outcome.output))
    case 'halt':
      return refuse(-32000, outcome.reason ?? 'execution failed')
  }
}

function intrinsicGas(data: Uint8Array): number {
  let gas = CALL_GAS
  for (const byte of data) gas += byte === 0 ? ZERO_BYTE_GAS : BYTE_GAS
  return gas
}

function readData(value: unknown): Uint8Array {
  if (typeof value !== 'string' || !hexPattern.test(value)) {
    refuse(-32602, 'invalid argument 0: json: cannot unmarshal invalid hex string into Go value of type hexutil.Bytes')
  }
  return bytesOf(value)
}

/** Only code can be overridden here; that is what readers of balances need. */
function readOverride(value: unknown): Map<Address, Uint8Array> {
  const codes = new Map<Address, Uint8Array>()
  if (typeof value !== 'object' || value === null) return codes
  for (const [account, override] of Object.entries(value as Readonly<Record<string, unknown>>)) {
    if (typeof override !== 'object' || override === null) refuse(-32602, 'invalid argument 2: expected an object')
    if (!('code' in override) || typeof override.code !== 'string') {
      refuse(-32602, 'invalid argument 2: this node can only override code')
    }
    codes.set(readAddress(account), codeOfOverride(override.code))
  }
  return codes
}

function codeOfOverride(hex: string): Uint8Array {
  const known = overridingCodes.get(hex)
  if (known !== undefined) return known
  const code = readData(hex)
  if (overridingCodes.size >= OVERRIDES_MAX) overridingCodes.clear()
  overridingCodes.set(hex, code)
  return code
}

function hostOf(window: NodeWindow, block: ModelBlock, codes: ReadonlyMap<Address, Uint8Array>): EvmHost {
  const { registry } = window
  const { state, timestampSeconds } = block
  const codeOf = (account: Address): Uint8Array | null => {
    const code = codes.get(account) ?? registry.codeOf(account, state).bytes
    return code.length === 0 ? null : code
  }
  return {
    chainId: window.chainId,
    blockNumber: block.number,
    baseFee: block.baseFee,
    gasLimit: GAS_LIMIT,
    timestampSeconds: BigInt(timestampSeconds),
    producer: BigInt(block.producer),
    balance: (account) => state.get(nativeKey(addressOf(account))),
    nonce: (account) => state.get(nonceKey(addressOf(account))),
    code: (account) => codeOf(addressOf(account)),
    storage: () => 0n,
    blockHash: (number) => BigInt(ancestorOf(block, number)?.hash ?? 0n),
    answer: (account, data, gas) => {
      const address = addressOf(account)
      if (codes.has(address)) return null
      const token = registry.token(address)
      if (token === undefined) {
        // What a wallet's code does when it is called is nobody's concern here.
        const isWallet = registry.kindOf(address, state) === 'delegated'
        return isWallet ? { kind: 'return', output: NOTHING, gasUsed: 0 } : null
      }
      return codeOf(address) === null ? null : answerTokenCall(token, state, { data, gas, timestampSeconds })
    },
  }
}

function ancestorOf(block: ModelBlock, number: bigint): ModelBlock | null {
  let ancestor: ModelBlock | null = block
  while (ancestor !== null && ancestor.number > number) ancestor = ancestor.parent
  return ancestor
}

function addressOf(account: bigint): Address {
  return `0x${account.toString(16).padStart(40, '0')}`
}
