/** What is known of code before it runs. */
export interface EvmCode {
  readonly bytes: Uint8Array
  /** 1 at each place that may be jumped to. */
  readonly destinations: Uint8Array
  /** The word that a PUSH at this place pushes. */
  readonly pushed: readonly (bigint | undefined)[]
}

const PUSH1 = 0x60
const PUSH32 = 0x7f
const JUMPDEST = 0x5b
const analysed = new WeakMap<Uint8Array, EvmCode>()

export function analyseCode(bytes: Uint8Array): EvmCode {
  const known = analysed.get(bytes)
  if (known !== undefined) return known
  const destinations = new Uint8Array(bytes.length)
  const pushed: (bigint | undefined)[] = Array.from({ length: bytes.length }, () => undefined)
  for (let at = 0; at < bytes.length; at += 1) {
    const operation = bytes[at] ?? 0
    if (operation === JUMPDEST) destinations[at] = 1
    if (operation < PUSH1 || operation > PUSH32) continue
    const length = operation - PUSH1 + 1
    // Code that ends within a PUSH goes on with zeros.
    const digits = Buffer.from(bytes.subarray(at + 1, at + 1 + length))
      .toString('hex')
      .padEnd(length * 2, '0')
    pushed[at] = BigInt(`0x${digits}`)
    at += length
  }
  const code = { bytes, destinations, pushed }
  analysed.set(bytes, code)
  return code
}
