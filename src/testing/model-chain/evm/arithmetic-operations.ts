import type { EvmFrame } from './evm-frame.js'
import type { EvmOperation } from './evm-operation.js'

const BITS = 256n
const signed = (word: bigint): bigint => BigInt.asIntN(256, word)
const truth = (yes: boolean): bigint => (yes ? 1n : 0n)

const binary =
  (gas: number, apply: (a: bigint, b: bigint) => bigint): EvmOperation =>
  (frame) => {
    frame.pay(gas)
    const a = frame.pop()
    frame.push(apply(a, frame.pop()))
  }

const unary =
  (apply: (a: bigint) => bigint): EvmOperation =>
  (frame) => {
    frame.pay(3)
    frame.push(apply(frame.pop()))
  }

const modular =
  (apply: (a: bigint, b: bigint) => bigint): EvmOperation =>
  (frame) => {
    frame.pay(8)
    const a = frame.pop()
    const b = frame.pop()
    const modulus = frame.pop()
    frame.push(modulus === 0n ? 0n : apply(a, b) % modulus)
  }

function power(frame: EvmFrame): void {
  const base = frame.pop()
  const exponent = frame.pop()
  frame.pay(10 + 50 * (exponent === 0n ? 0 : Math.ceil(exponent.toString(16).length / 2)))
  let [result, square, left] = [1n, base, exponent]
  while (left > 0n) {
    if (left & 1n) result = BigInt.asUintN(256, result * square)
    square = BigInt.asUintN(256, square * square)
    left >>= 1n
  }
  frame.push(result)
}

function extendSign(size: bigint, word: bigint): bigint {
  return size > 30n ? word : BigInt.asIntN(Number(size) * 8 + 8, word)
}

function byteOf(index: bigint, word: bigint): bigint {
  return index > 31n ? 0n : (word >> (248n - 8n * index)) & 0xffn
}

export const arithmeticOperations: Readonly<Record<number, EvmOperation>> = {
  0x01: binary(3, (a, b) => a + b),
  0x02: binary(5, (a, b) => a * b),
  0x03: binary(3, (a, b) => a - b),
  0x04: binary(5, (a, b) => (b === 0n ? 0n : a / b)),
  0x05: binary(5, (a, b) => (b === 0n ? 0n : signed(a) / signed(b))),
  0x06: binary(5, (a, b) => (b === 0n ? 0n : a % b)),
  0x07: binary(5, (a, b) => (b === 0n ? 0n : signed(a) % signed(b))),
  0x08: modular((a, b) => a + b),
  0x09: modular((a, b) => a * b),
  0x0a: power,
  0x0b: binary(5, extendSign),
  0x10: binary(3, (a, b) => truth(a < b)),
  0x11: binary(3, (a, b) => truth(a > b)),
  0x12: binary(3, (a, b) => truth(signed(a) < signed(b))),
  0x13: binary(3, (a, b) => truth(signed(a) > signed(b))),
  0x14: binary(3, (a, b) => truth(a === b)),
  0x15: unary((a) => truth(a === 0n)),
  0x16: binary(3, (a, b) => a & b),
  0x17: binary(3, (a, b) => a | b),
  0x18: binary(3, (a, b) => a ^ b),
  0x19: unary((a) => ~a),
  0x1a: binary(3, byteOf),
  0x1b: binary(3, (shift, word) => (shift >= BITS ? 0n : word << shift)),
  0x1c: binary(3, (shift, word) => (shift >= BITS ? 0n : word >> shift)),
  0x1d: binary(3, (shift, word) => signed(word) >> (shift >= BITS ? 255n : shift)),
}
