import { TidemarkError } from '../../../model/errors.js'
import type { EvmCode } from './evm-code.js'
import { NOTHING } from './evm-host.js'
import type { EvmHost } from './evm-host.js'

const STACK_MAX = 1024
/** More memory than any gas limit pays for. */
const MEMORY_MAX = 0x1000_0000n
const MASK = (1n << 256n) - 1n
const COLD_ACCOUNT_GAS = 2600
const WARM_ACCOUNT_GAS = 100

/** The code did what the machine does not allow: all its gas is gone. */
export class EvmHalt extends TidemarkError {
  readonly code = 'evm_halt'
}

/** What calls of one transaction have in common. */
export interface EvmContext {
  readonly host: EvmHost
  readonly origin: bigint
  readonly warm: Set<bigint>
}

export interface EvmMessage {
  readonly address: bigint
  readonly caller: bigint
  readonly value: bigint
  readonly data: Uint8Array
  readonly depth: number
}

/** One call at work: its stack, its memory, its gas. */
export class EvmFrame {
  readonly code: EvmCode
  readonly message: EvmMessage
  readonly context: EvmContext
  readonly stack: bigint[] = []
  memory: Uint8Array = new Uint8Array(2048)
  /** Bytes of memory that count, a multiple of 32. */
  memorySize = 0
  at = 0
  gas: number
  /** What the last call of another contract answered. */
  answer: Uint8Array = NOTHING
  end: { readonly kind: 'return' | 'revert'; readonly output: Uint8Array } | null = null

  constructor(code: EvmCode, message: EvmMessage, context: EvmContext, gas: number) {
    this.code = code
    this.message = message
    this.context = context
    this.gas = gas
  }

  pop(): bigint {
    const word = this.stack.pop()
    if (word === undefined) throw new EvmHalt('stack underflow')
    return word
  }

  /** @param word any integer; it is cut to 256 bits */
  push(word: bigint): void {
    if (this.stack.length >= STACK_MAX) throw new EvmHalt('stack limit reached')
    this.stack.push(word & MASK)
  }

  pay(gas: number): void {
    this.gas -= gas
    if (this.gas < 0) throw new EvmHalt('out of gas')
  }

  payForAccount(address: bigint): void {
    const { warm } = this.context
    this.pay(warm.has(address) ? WARM_ACCOUNT_GAS : COLD_ACCOUNT_GAS)
    warm.add(address)
  }

  /** Makes a piece of memory usable and pays for it. @returns where it begins, and its length */
  touch(offset: bigint, length: bigint): readonly [start: number, size: number] {
    if (length === 0n) return [0, 0]
    if (offset > MEMORY_MAX || length > MEMORY_MAX) throw new EvmHalt('out of gas')
    const [start, size] = [Number(offset), Number(length)]
    const needed = Math.ceil((start + size) / 32) * 32
    if (needed > this.memorySize) {
      this.pay(memoryGas(needed) - memoryGas(this.memorySize))
      this.memorySize = needed
      if (needed > this.memory.length) {
        const larger = new Uint8Array(Math.max(needed, this.memory.length * 2))
        larger.set(this.memory)
        this.memory = larger
      }
    }
    return [start, size]
  }

  read(offset: bigint, length: bigint): Uint8Array {
    const [start, size] = this.touch(offset, length)
    return this.memory.slice(start, start + size)
  }

  readWord(offset: bigint): bigint {
    const [start] = this.touch(offset, 32n)
    return wordAt(this.memory, start)
  }

  writeWord(offset: bigint, word: bigint): void {
    const [start] = this.touch(offset, 32n)
    writeWordAt(this.memory, start, word)
  }

  /** Copies out of a source that goes on with zeros behind its end. */
  copy(source: Uint8Array, [to, from, length]: readonly [to: bigint, from: bigint, length: bigint]): void {
    const [start, size] = this.touch(to, length)
    this.pay(3 * Math.ceil(size / 32))
    this.memory.fill(0, start, start + size)
    if (from < BigInt(source.length)) {
      const first = Number(from)
      this.memory.set(source.subarray(first, Math.min(source.length, first + size)), start)
    }
  }

  jump(destination: bigint): void {
    const place = destination < BigInt(this.code.bytes.length) ? Number(destination) : -1
    if (this.code.destinations[place] !== 1) throw new EvmHalt('invalid jump destination')
    this.at = place
  }
}

/** 32 bytes as a word; what lies behind the end counts as zero. */
export function wordAt(bytes: Uint8Array, start: number): bigint {
  if (start + 32 <= bytes.length) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + start, 32)
    const high = view.getBigUint64(0) === 0n && view.getBigUint64(8) === 0n
    const low = (view.getBigUint64(16) << 64n) | view.getBigUint64(24)
    return high ? low : (view.getBigUint64(0) << 192n) | (view.getBigUint64(8) << 128n) | low
  }
  if (start >= bytes.length) return 0n
  return BigInt(`0x${Buffer.from(bytes.subarray(start)).toString('hex').padEnd(64, '0')}`)
}

export function writeWordAt(bytes: Uint8Array, start: number, word: bigint): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, 32)
  view.setBigUint64(0, word >> 192n)
  view.setBigUint64(8, BigInt.asUintN(64, word >> 128n))
  view.setBigUint64(16, BigInt.asUintN(64, word >> 64n))
  view.setBigUint64(24, BigInt.asUintN(64, word))
}

/** What memory of so many bytes costs. */
export function memoryGas(bytes: number): number {
  const words = Math.ceil(bytes / 32)
  return 3 * words + Math.floor((words * words) / 512)
}
