import type { CallerAddress } from './caller-address.js'

export interface ConnectionMaxima {
  readonly total: number
  /** Addresses of this machine do not count. */
  readonly perAddress: number
}

/** One key may hold this share of all connections: the rest is for others. */
const KEY_SHARE = 0.8

/** Which limit a new connection would break. */
export type ConnectionRefusal = 'connections' | 'connections_per_address' | 'connections_per_key'

/** Counts open Socket.IO connections: all, of an address, of a key. */
export class ConnectionCounts {
  readonly #max: ConnectionMaxima
  readonly #perKeyMax: number
  readonly #byAddress = new Map<string, number>()
  readonly #byKey = new Map<string, number>()
  #total = 0

  constructor(max: ConnectionMaxima) {
    this.#max = max
    this.#perKeyMax = Math.ceil(max.total * KEY_SHARE)
  }

  /** @returns the limit that a connection from this address would break; null when there is room. */
  refusal(address: CallerAddress): ConnectionRefusal | null {
    if (this.#total >= this.#max.total) return 'connections'
    if (address.isLoopback) return null
    return (this.#byAddress.get(address.name) ?? 0) >= this.#max.perAddress ? 'connections_per_address' : null
  }

  /** Counts a connection. @returns counts it off; call it once. */
  open(address: CallerAddress): () => void {
    this.#total += 1
    change(this.#byAddress, address.name, 1)
    return () => {
      this.#total -= 1
      change(this.#byAddress, address.name, -1)
    }
  }

  keyRefusal(keyName: string | null): ConnectionRefusal | null {
    return keyName !== null && (this.#byKey.get(keyName) ?? 0) >= this.#perKeyMax ? 'connections_per_key' : null
  }

  /** Counts a connection of a key. @returns counts it off; call it once. */
  openWithKey(keyName: string | null): () => void {
    if (keyName === null) return () => undefined
    change(this.#byKey, keyName, 1)
    return () => change(this.#byKey, keyName, -1)
  }
}

/** Names without connections are not kept. */
function change(counts: Map<string, number>, name: string, by: 1 | -1): void {
  const count = (counts.get(name) ?? 0) + by
  if (count > 0) counts.set(name, count)
  else counts.delete(name)
}
