import type { Address } from '../../model/address.js'
import { addressWord, bytesOf, callData, selectors, word } from './abi-words.js'
import { memoryGas } from './evm/evm-frame.js'
import { NOTHING } from './evm/evm-host.js'
import type { EvmOutcome } from './evm/evm-host.js'
import type { ModelToken } from './model-token.js'
import type { StateReader } from './state.js'
import { figureKey } from './state.js'
import { ownedOf } from './token-balance.js'

/** What a call of an ordinary token costs, more or less. */
const CALL_GAS = 2900
/** Costs more gas than a reader grants one token, and less than a node grants one call. */
const BOMB_BYTES = 512 * 1024
const SHORT_BYTES = 5
const METADATA_GAS = 1500
const ABSURD_DECIMALS = 2n ** 200n
const bomb = new Uint8Array(BOMB_BYTES)
/** `Error(string)` with the text `broken`. */
const BROKEN = bytesOf(
  callData('08c379a0', word(32n), word(6n), `0x${Buffer.from('broken').toString('hex').padEnd(64, '0')}`),
)

export interface TokenCall {
  readonly data: Uint8Array
  readonly gas: number
  readonly timestampSeconds: number
}

/** What a token's code would answer. */
export function answerTokenCall(token: ModelToken, state: StateReader, call: TokenCall): EvmOutcome {
  const selector = Buffer.from(call.data.subarray(0, 4)).toString('hex')
  switch (selector) {
    case selectors.balanceOf:
      return answerBalanceOf(token, state, call)
    case selectors.decimals:
      return answered(word(token.kind === 'absurd-decimals' ? ABSURD_DECIMALS : token.decimals), METADATA_GAS, call)
    case selectors.symbol:
      return answered(text(token, token.symbol), METADATA_GAS, call)
    case selectors.name:
      return answered(text(token, token.name), METADATA_GAS, call)
    default:
      return { kind: 'revert', output: NOTHING, gasUsed: Math.min(call.gas, 200) }
  }
}

function answerBalanceOf(token: ModelToken, state: StateReader, call: TokenCall): EvmOutcome {
  if (call.data.length < 36) return { kind: 'revert', output: NOTHING, gasUsed: Math.min(call.gas, 200) }
  if (state.get(figureKey(token.address, 'broken')) !== 0n) {
    return { kind: 'revert', output: BROKEN, gasUsed: Math.min(call.gas, CALL_GAS) }
  }
  if (token.kind === 'gas-burning') return outOfGas(call)
  if (token.kind === 'return-bomb') {
    const gasUsed = memoryGas(BOMB_BYTES)
    return call.gas < gasUsed ? outOfGas(call) : { kind: 'return', output: bomb, gasUsed }
  }
  if (token.kind === 'short-return') {
    return { kind: 'return', output: bomb.subarray(0, SHORT_BYTES), gasUsed: Math.min(call.gas, CALL_GAS) }
  }
  const holder: Address = `0x${Buffer.from(call.data.subarray(16, 36)).toString('hex')}`
  return answered(word(ownedOf(token, state, { holder, timestampSeconds: call.timestampSeconds })), CALL_GAS, call)
}

function answered(hex: string, gasUsed: number, call: TokenCall): EvmOutcome {
  return call.gas < gasUsed ? outOfGas(call) : { kind: 'return', output: bytesOf(hex), gasUsed }
}

function outOfGas(call: TokenCall): EvmOutcome {
  return { kind: 'halt', output: NOTHING, gasUsed: call.gas, reason: 'out of gas' }
}

/** As the ABI has a string, or as the 32 bytes of early tokens. */
function text(token: ModelToken, value: string): string {
  const hex = Buffer.from(value, 'utf8').toString('hex')
  if (token.kind === 'bytes32-metadata') return `0x${hex.slice(0, 64).padEnd(64, '0')}`
  const padded = hex.padEnd(Math.ceil(hex.length / 64) * 64, '0')
  return callData('', word(32n), word(BigInt(hex.length / 2)), `0x${padded}`)
}

/** Words of a transfer: who, and how much. */
export function transferData(selector: string, to: Address, value: bigint): `0x${string}` {
  return callData(selector, addressWord(to), word(value))
}
