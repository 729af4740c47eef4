import { keccak256 } from 'viem/utils'

import type { EvmFrame } from './evm-frame.js'
import type { EvmOperation } from './evm-operation.js'

const telling =
  (valueOf: (frame: EvmFrame) => bigint): EvmOperation =>
  (frame) => {
    frame.pay(2)
    frame.push(valueOf(frame))
  }

const ofAccount =
  (valueOf: (frame: EvmFrame, account: bigint) => bigint): EvmOperation =>
  (frame) => {
    const account = BigInt.asUintN(160, frame.pop())
    frame.payForAccount(account)
    frame.push(valueOf(frame, account))
  }

function codeHash(frame: EvmFrame, account: bigint): bigint {
  const { host } = frame.context
  const code = host.code(account)
  if (code !== null) return BigInt(keccak256(code))
  const exists = host.balance(account) > 0n || host.nonce(account) > 0n
  return exists ? BigInt(keccak256(new Uint8Array(0))) : 0n
}

/** Only the last 256 blocks are known to code. */
function blockHash(frame: EvmFrame): void {
  frame.pay(20)
  const number = frame.pop()
  const { host } = frame.context
  frame.push(number < host.blockNumber && number + 256n >= host.blockNumber ? host.blockHash(number) : 0n)
}

export const contextOperations: Readonly<Record<number, EvmOperation>> = {
  0x30: telling((frame) => frame.message.address),
  0x31: ofAccount((frame, account) => frame.context.host.balance(account)),
  0x32: telling((frame) => frame.context.origin),
  0x33: telling((frame) => frame.message.caller),
  0x34: telling((frame) => frame.message.value),
  0x36: telling((frame) => BigInt(frame.message.data.length)),
  0x38: telling((frame) => BigInt(frame.code.bytes.length)),
  0x3a: telling(() => 0n),
  0x3b: ofAccount((frame, account) => BigInt(frame.context.host.code(account)?.length ?? 0)),
  0x3d: telling((frame) => BigInt(frame.answer.length)),
  0x3f: ofAccount(codeHash),
  0x40: blockHash,
  0x41: telling((frame) => frame.context.host.producer),
  0x42: telling((frame) => frame.context.host.timestampSeconds),
  0x43: telling((frame) => frame.context.host.blockNumber),
  0x44: telling(() => 0n),
  0x45: telling((frame) => frame.context.host.gasLimit),
  0x46: telling((frame) => frame.context.host.chainId),
  0x47: telling((frame) => frame.context.host.balance(frame.message.address)),
  0x48: telling((frame) => frame.context.host.baseFee),
  0x54: (frame) => {
    frame.pay(2100)
    frame.push(frame.context.host.storage(frame.message.address, frame.pop()))
  },
  0x59: telling((frame) => BigInt(frame.memorySize)),
  0x5a: telling((frame) => BigInt(frame.gas)),
}
