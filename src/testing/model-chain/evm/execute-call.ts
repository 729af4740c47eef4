import { getContractAddress, numberToHex } from 'viem/utils'

import { arithmeticOperations } from './arithmetic-operations.js'
import { contextOperations } from './context-operations.js'
import { analyseCode } from './evm-code.js'
import { EvmFrame, EvmHalt } from './evm-frame.js'
import type { EvmContext, EvmMessage } from './evm-frame.js'
import { NOTHING } from './evm-host.js'
import type { EvmHost, EvmOutcome } from './evm-host.js'
import type { EvmOperation } from './evm-operation.js'
import { flowOperations } from './flow-operations.js'
import { memoryOperations } from './memory-operations.js'

const DEPTH_MAX = 1024
const CREATE_GAS = 32_000

const operations: readonly (EvmOperation | undefined)[] = Array.from({ length: 256 }, (_, operation) => {
  const all = { ...arithmeticOperations, ...memoryOperations, ...contextOperations, ...flowOperations }
  const calls: Readonly<Record<number, EvmOperation>> = {
    0xf0: create,
    0xf1: (frame) => callOther(frame, true),
    0xfa: (frame) => callOther(frame, false),
  }
  return calls[operation] ?? all[operation]
})

/** A call from outside, on the state that the host shows. Nothing of it is kept. */
export function executeCall(
  host: EvmHost,
  call: { readonly from: bigint; readonly to: bigint; readonly data: Uint8Array; readonly gas: number },
): EvmOutcome {
  const context: EvmContext = { host, origin: call.from, warm: new Set([call.to, call.from]) }
  return callAccount(context, { address: call.to, caller: call.from, value: 0n, data: call.data, depth: 0 }, call.gas)
}

function callAccount(context: EvmContext, message: EvmMessage, gas: number): EvmOutcome {
  const known = context.host.answer(message.address, message.data, gas)
  if (known !== null) return known
  const code = context.host.code(message.address)
  if (code === null) return { kind: 'return', output: NOTHING, gasUsed: 0 }
  return run(new EvmFrame(analyseCode(code), message, context, gas), gas)
}

function run(frame: EvmFrame, gas: number): EvmOutcome {
  const { bytes } = frame.code
  try {
    while (frame.end === null) {
      const code = bytes[frame.at] ?? 0
      frame.at += 1
      const operation = operations[code]
      if (operation === undefined) throw new EvmHalt(`invalid opcode: 0x${code.toString(16)}`)
      operation(frame)
    }
    return { ...frame.end, gasUsed: gas - frame.gas }
  } catch (error) {
    if (error instanceof EvmHalt) return { kind: 'halt', output: NOTHING, gasUsed: gas, reason: error.message }
    throw error
  }
}

/** CALL and STATICCALL. Code that only reads moves no value: a value is taken off the stack and passed over. */
function callOther(frame: EvmFrame, hasValue: boolean): void {
  const asked = frame.pop()
  const address = BigInt.asUintN(160, frame.pop())
  if (hasValue) frame.pop()
  const inputOffset = frame.pop()
  const input = frame.read(inputOffset, frame.pop())
  const [outputStart, outputSize] = frame.touch(frame.pop(), frame.pop())
  frame.payForAccount(address)
  // A sixty-fourth of the gas always stays behind.
  const most = frame.gas - Math.floor(frame.gas / 64)
  const gas = asked < BigInt(most) ? Number(asked) : most
  if (frame.message.depth >= DEPTH_MAX) {
    frame.answer = NOTHING
    return frame.push(0n)
  }
  const { message, context } = frame
  const outcome = callAccount(
    context,
    { address, caller: message.address, value: 0n, data: input, depth: message.depth + 1 },
    gas,
  )
  frame.pay(outcome.gasUsed)
  frame.answer = outcome.output
  frame.memory.set(outcome.output.subarray(0, outputSize), outputStart)
  frame.push(outcome.kind === 'return' ? 1n : 0n)
}

/** Gives the address that a contract would have; no code is run. It tells the account's nonce. */
function create(frame: EvmFrame): void {
  frame.pop()
  const offset = frame.pop()
  frame.touch(offset, frame.pop())
  frame.pay(CREATE_GAS)
  const { address } = frame.message
  const from = numberToHex(address, { size: 20 })
  frame.answer = NOTHING
  frame.push(BigInt(getContractAddress({ from, nonce: frame.context.host.nonce(address) })))
}
