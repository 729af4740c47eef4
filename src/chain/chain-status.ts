import type { BlockHeader } from '../model/block.js'
import type { ChainState } from '../model/chain-state.js'

/** Blocks behind the head beyond which a chain counts as catching up. */
const SYNCING_BLOCKS = 3n

interface Condition {
  readonly state: ChainState
  /** In words; null when the chain is live. */
  readonly reason: string | null
}

/**
 * How one chain is doing, as its watcher sees it. Several things may be wrong at once; the one that matters most is
 * told: the reader's failure, then endpoints that contradict each other, then a chain that makes no blocks.
 */
export class ChainStatus {
  #head: BlockHeader | null = null
  #cursor: BlockHeader | null = null
  #failure: Condition | null = { state: 'syncing', reason: 'connecting to the chain' }
  #dispute: string | null = null
  #silence: string | null = null

  get head(): BlockHeader | null {
    return this.#head
  }

  get state(): ChainState {
    return this.#condition().state
  }

  /** Why the chain is not live, in words; null when it is. */
  get reason(): string | null {
    return this.#condition().reason
  }

  sawHead(head: BlockHeader): void {
    this.#head = head
  }

  processed(header: BlockHeader): void {
    this.#cursor = header
    this.#failure = null
  }

  /** The cursor stands at the newest head that was reported. */
  caughtUp(): void {
    this.#cursor = this.#head
    this.#failure = null
  }

  failed(state: 'degraded' | 'stalled', reason: string): void {
    this.#failure = { state, reason }
  }

  /** @param reason what the endpoints contradict each other on; null when they agree again */
  disputed(reason: string | null): void {
    this.#dispute = reason
  }

  /** @param reason since when the chain has made no block; null when it has made one */
  silent(reason: string | null): void {
    this.#silence = reason
  }

  #condition(): Condition {
    if (this.#failure !== null) return this.#failure
    if (this.#dispute !== null) return { state: 'degraded', reason: this.#dispute }
    if (this.#silence !== null) return { state: 'stalled', reason: this.#silence }
    const behind = this.#head === null || this.#cursor === null ? 0n : this.#head.number - this.#cursor.number
    return behind > SYNCING_BLOCKS
      ? { state: 'syncing', reason: `${behind} blocks behind the head` }
      : { state: 'live', reason: null }
  }
}
