import type { BlockHeader } from '../model/block.js'
import type { ChainState } from '../model/chain-state.js'

/** Blocks behind the head beyond which a chain counts as catching up. */
const SYNCING_BLOCKS = 3n

/** How one chain is doing, as its watcher sees it. */
export class ChainStatus {
  #head: BlockHeader | null = null
  #cursor: BlockHeader | null = null
  #trouble: { readonly state: ChainState; readonly reason: string } | null = {
    state: 'syncing',
    reason: 'connecting to the chain',
  }

  get head(): BlockHeader | null {
    return this.#head
  }

  get state(): ChainState {
    if (this.#trouble !== null) return this.#trouble.state
    return this.#behind() > SYNCING_BLOCKS ? 'syncing' : 'live'
  }

  /** Why the chain is not live, in words; null when it is. */
  get reason(): string | null {
    if (this.#trouble !== null) return this.#trouble.reason
    return this.state === 'syncing' ? `${this.#behind()} blocks behind the head` : null
  }

  sawHead(head: BlockHeader): void {
    this.#head = head
  }

  processed(header: BlockHeader): void {
    this.#cursor = header
    this.#trouble = null
  }

  /** The cursor stands at the newest head that was reported. */
  caughtUp(): void {
    this.#trouble = null
  }

  failed(state: 'degraded' | 'stalled', reason: string): void {
    this.#trouble = { state, reason }
  }

  #behind(): bigint {
    if (this.#head === null || this.#cursor === null) return 0n
    return this.#head.number - this.#cursor.number
  }
}
