import type { Address } from '../../model/address.js'

/** Layers that are read through before they are merged into one. */
const LAYERS_MAX = 32

/** Names of what the state holds: native balance, nonce, code, a holder's units of a token, and a token's own figures. */
export const nativeKey = (account: Address): string => `native ${account}`
export const nonceKey = (account: Address): string => `nonce ${account}`
export const codeKey = (account: Address): string => `code ${account}`
export const unitsKey = (token: Address, holder: Address): string => `units ${token} ${holder}`
export const figureKey = (token: Address, figure: 'index' | 'broken' | 'since'): string => `${figure} ${token}`

export interface StateReader {
  /** Zero for what was never set. */
  get(key: string): bigint
}

/** The state after a block. It never changes; blocks of several branches build on the same one. */
export class State implements StateReader {
  readonly #values: ReadonlyMap<string, bigint>
  readonly #beneath: State | null
  readonly #depth: number

  constructor(values: ReadonlyMap<string, bigint>, beneath: State | null) {
    const full = beneath !== null && beneath.#depth + 1 >= LAYERS_MAX
    this.#values = full ? new Map([...beneath.#merged(), ...values]) : values
    this.#beneath = full ? null : beneath
    this.#depth = full || beneath === null ? 0 : beneath.#depth + 1
  }

  get(key: string): bigint {
    let value = this.#values.get(key)
    for (let layer = this.#beneath; value === undefined && layer !== null; layer = layer.#beneath) {
      value = layer.#values.get(key)
    }
    return value ?? 0n
  }

  #merged(): Map<string, bigint> {
    const merged = this.#beneath === null ? new Map<string, bigint>() : this.#beneath.#merged()
    for (const [key, value] of this.#values) merged.set(key, value)
    return merged
  }
}

/** Changes on top of a state. */
export class StateDraft implements StateReader {
  readonly #beneath: State
  readonly #changes = new Map<string, bigint>()

  constructor(beneath: State) {
    this.#beneath = beneath
  }

  get(key: string): bigint {
    return this.#changes.get(key) ?? this.#beneath.get(key)
  }

  set(key: string, value: bigint): void {
    this.#changes.set(key, value)
  }

  add(key: string, value: bigint): void {
    this.set(key, this.get(key) + value)
  }

  /** What is different now, by name. */
  changes(): ReadonlyMap<string, bigint> {
    return new Map([...this.#changes].filter(([key, value]) => this.#beneath.get(key) !== value))
  }

  seal(): State {
    const changes = this.changes()
    return changes.size === 0 ? this.#beneath : new State(changes, this.#beneath)
  }
}
