/** Addresses and words are unsigned 256-bit integers here: that is what the machine has on its stack. */
export interface EvmHost {
  readonly chainId: bigint
  readonly blockNumber: bigint
  readonly timestampSeconds: bigint
  readonly baseFee: bigint
  readonly producer: bigint
  readonly gasLimit: bigint
  balance(address: bigint): bigint
  nonce(address: bigint): bigint
  /** Null for an account without code. The same code is the same object, so that it is analysed once. */
  code(address: bigint): Uint8Array | null
  storage(address: bigint, slot: bigint): bigint
  blockHash(number: bigint): bigint
  /** Answers for a contract that is not run but known; null where the code is to be run. */
  answer(address: bigint, data: Uint8Array, gas: number): EvmOutcome | null
}

export interface EvmOutcome {
  readonly kind: 'return' | 'revert' | 'halt'
  readonly output: Uint8Array
  readonly gasUsed: number
  /** Why a halt halted. */
  readonly reason?: string
}

export const NOTHING: Uint8Array = new Uint8Array(0)
