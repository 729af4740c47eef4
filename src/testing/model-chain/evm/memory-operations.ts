import { keccak256 } from 'viem/utils'

import { EvmHalt, wordAt } from './evm-frame.js'
import type { EvmFrame } from './evm-frame.js'
import type { EvmOperation } from './evm-operation.js'

function hash(frame: EvmFrame): void {
  const offset = frame.pop()
  const bytes = frame.read(offset, frame.pop())
  frame.pay(30 + 6 * Math.ceil(bytes.length / 32))
  frame.push(BigInt(keccak256(bytes)))
}

const copying =
  (sourceOf: (frame: EvmFrame) => Uint8Array): EvmOperation =>
  (frame) => {
    frame.pay(3)
    const to = frame.pop()
    const from = frame.pop()
    frame.copy(sourceOf(frame), [to, from, frame.pop()])
  }

function copyAnswer(frame: EvmFrame): void {
  frame.pay(3)
  const to = frame.pop()
  const from = frame.pop()
  const length = frame.pop()
  // Unlike elsewhere, reading behind the end is not allowed here.
  if (from + length > BigInt(frame.answer.length)) throw new EvmHalt('return data out of bounds')
  frame.copy(frame.answer, [to, from, length])
}

function copyMemory(frame: EvmFrame): void {
  frame.pay(3)
  const to = frame.pop()
  const from = frame.pop()
  const length = frame.pop()
  frame.copy(frame.read(from, length), [to, 0n, length])
}

function loadData(frame: EvmFrame): void {
  frame.pay(3)
  const offset = frame.pop()
  const { data } = frame.message
  frame.push(offset >= BigInt(data.length) ? 0n : wordAt(data, Number(offset)))
}

export const memoryOperations: Readonly<Record<number, EvmOperation>> = {
  0x20: hash,
  0x35: loadData,
  0x37: copying((frame) => frame.message.data),
  0x39: copying((frame) => frame.code.bytes),
  0x3e: copyAnswer,
  0x51: (frame) => {
    frame.pay(3)
    frame.push(frame.readWord(frame.pop()))
  },
  0x52: (frame) => {
    frame.pay(3)
    const offset = frame.pop()
    frame.writeWord(offset, frame.pop())
  },
  0x53: (frame) => {
    frame.pay(3)
    const [start] = frame.touch(frame.pop(), 1n)
    frame.memory[start] = Number(frame.pop() & 0xffn)
  },
  0x5e: copyMemory,
}
