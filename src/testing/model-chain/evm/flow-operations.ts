import { NOTHING } from './evm-host.js'
import { EvmHalt } from './evm-frame.js'
import type { EvmFrame } from './evm-frame.js'
import type { EvmOperation } from './evm-operation.js'

const ending =
  (kind: 'return' | 'revert'): EvmOperation =>
  (frame) => {
    const offset = frame.pop()
    frame.end = { kind, output: frame.read(offset, frame.pop()) }
  }

function jumpIf(frame: EvmFrame): void {
  frame.pay(10)
  const destination = frame.pop()
  if (frame.pop() !== 0n) frame.jump(destination)
}

function push(length: number): EvmOperation {
  return (frame) => {
    frame.pay(3)
    frame.push(frame.code.pushed[frame.at - 1] ?? 0n)
    frame.at += length
  }
}

function duplicate(depth: number): EvmOperation {
  return (frame) => {
    frame.pay(3)
    const word = frame.stack.at(-depth)
    if (word === undefined) throw new EvmHalt('stack underflow')
    frame.push(word)
  }
}

function swap(depth: number): EvmOperation {
  return (frame) => {
    frame.pay(3)
    const { stack } = frame
    const [top, other] = [stack.at(-1), stack.at(-1 - depth)]
    if (top === undefined || other === undefined) throw new EvmHalt('stack underflow')
    stack[stack.length - 1] = other
    stack[stack.length - 1 - depth] = top
  }
}

function range(first: number, count: number, make: (offset: number) => EvmOperation): Record<number, EvmOperation> {
  return Object.fromEntries(Array.from({ length: count }, (_, offset) => [first + offset, make(offset)]))
}

export const flowOperations: Readonly<Record<number, EvmOperation>> = {
  0x00: (frame) => {
    frame.end = { kind: 'return', output: NOTHING }
  },
  0x50: (frame) => {
    frame.pay(2)
    frame.pop()
  },
  0x56: (frame) => {
    frame.pay(8)
    frame.jump(frame.pop())
  },
  0x57: jumpIf,
  0x58: (frame) => {
    frame.pay(2)
    frame.push(BigInt(frame.at - 1))
  },
  0x5b: (frame) => frame.pay(1),
  0x5f: (frame) => {
    frame.pay(2)
    frame.push(0n)
  },
  ...range(0x60, 32, (offset) => push(offset + 1)),
  ...range(0x80, 16, (offset) => duplicate(offset + 1)),
  ...range(0x90, 16, (offset) => swap(offset + 1)),
  0xf3: ending('return'),
  0xfd: ending('revert'),
}
