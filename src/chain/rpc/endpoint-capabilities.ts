import type { EndpointCapabilities } from '../../model/chain-state.js'

/** Calls in one HTTP request, before an endpoint has shown how many it takes. */
export const BATCH_ITEMS_MAX = 100
/** Blocks that one `eth_getLogs` asks for at first, and the most it ever asks for. */
export const LOG_RANGE_START = 2000
export const LOG_RANGE_MAX = 10_000
/** Full ranges answered in a row before a wider one, refused before, is tried again: it may have been for its many logs. */
const RANGES_BEFORE_WIDER = 16
/** What an endpoint cannot do may change with its next release. */
const ASK_AGAIN_MS = 60 * 60_000

/** What was found out about one endpoint, kept as long as the endpoint is; null stands for not known yet. */
export class LearnedCapabilities {
  stateOverride: boolean | null = null
  blockHash: boolean | null = null
  receipts: boolean | null = null
  traces: boolean | null = null
  /** The oldest block whose state was served when it was looked for. */
  oldestStateBlock: bigint | null = null
  #logRange = LOG_RANGE_START
  /** The widest range that was answered, and the narrowest that was refused. */
  #logRangeAnswered: number | null = null
  #logRangeTooWide = LOG_RANGE_MAX + 1
  #fullRanges = 0
  #batchItemsMax = BATCH_ITEMS_MAX
  #batch: boolean | null = null
  #batchRefusedAtMs = 0

  /** Blocks that the next `eth_getLogs` may ask for. */
  get logRangeBlocks(): number {
    return this.#logRange
  }

  /** @param blocks the range that was answered; only a full one says that more may do. */
  logRangeWorked(blocks: number): void {
    this.#logRangeAnswered = Math.max(blocks, this.#logRangeAnswered ?? 0)
    if (blocks < this.#logRange) return
    const wider = Math.min(LOG_RANGE_MAX, this.#logRange * 2)
    this.#fullRanges += 1
    if (this.#fullRanges > RANGES_BEFORE_WIDER) this.#logRangeTooWide = wider + 1
    if (wider >= this.#logRangeTooWide) return
    this.#logRange = wider
    this.#fullRanges = 0
  }

  /** A single block was refused: for the logs in it, which tells nothing of the range. */
  logBlockRefused(): void {
    this.#logRange = LOG_RANGE_START
    this.#logRangeTooWide = LOG_RANGE_MAX + 1
    this.#fullRanges = 0
  }

  /** @param message the provider's own words, which often name the range that it would have taken */
  logRangeRefused(blocks: number, message: string): void {
    const named = namedRange(message, blocks)
    this.#fullRanges = 0
    this.#logRange = named ?? Math.max(1, Math.floor(Math.min(blocks, this.#logRange) / 2))
    this.#logRangeTooWide = Math.min(this.#logRangeTooWide, named === null ? blocks : named + 1)
    if (this.#logRangeAnswered !== null && this.#logRangeAnswered > this.#logRange) this.#logRangeAnswered = null
  }

  /** Calls that may go in one HTTP request; 1 for an endpoint that takes no batches. */
  batchItemsMax(nowMs: number): number {
    if (this.#batch === false && nowMs - this.#batchRefusedAtMs < ASK_AGAIN_MS) return 1
    return this.#batchItemsMax
  }

  batchWorked(): void {
    this.#batch = true
  }

  batchTooLarge(items: number): void {
    this.#batchItemsMax = Math.max(1, Math.floor(items / 2))
  }

  batchRefused(nowMs: number): void {
    this.#batch = false
    this.#batchRefusedAtMs = nowMs
  }

  known(): EndpointCapabilities {
    const { stateOverride, blockHash, receipts, traces, oldestStateBlock } = this
    return {
      stateOverride,
      blockHash,
      batch: this.#batch,
      receipts,
      traces,
      logRangeBlocks: this.#logRangeAnswered,
      oldestStateBlock,
    }
  }
}

/**
 * The range a provider offers in its refusal: two block numbers in brackets, or a number of blocks. Only a smaller range
 * than the refused one is believed.
 */
function namedRange(message: string, refused: number): number | null {
  const [, first, last] = /\[\s*(0x[0-9a-f]{1,16})\s*,\s*(0x[0-9a-f]{1,16})\s*\]/i.exec(message) ?? []
  const offered =
    first !== undefined && last !== undefined
      ? BigInt(last) - BigInt(first) + 1n
      : BigInt(/\b(\d{1,6})[\s-]*blocks?\b/i.exec(message.replaceAll(/(\d)[,_](?=\d{3})/g, '$1'))?.[1] ?? 0)
  return offered > 0n && offered < BigInt(refused) ? Math.min(LOG_RANGE_MAX, Number(offered)) : null
}
