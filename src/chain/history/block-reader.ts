import type { BlockPins } from './block-pins.js'
import { readPast } from './read-past.js'
import type { PastAnswer, PastQuery } from './past-query.js'
import { BLOCKS_AT_ONCE } from './search-context.js'
import type { SearchContext } from './search-context.js'

/** What is to be read, by block. */
export type Wanted = ReadonlyMap<bigint, readonly PastQuery[]>

/**
 * Reads a span's blocks where a search wants them. What is deferred to a block is read along with whatever is read there
 * first, so that a block costs one call however many reasons there are to read it.
 */
export class BlockReader {
  readonly times: Map<bigint, number> = new Map()
  readonly #context: SearchContext
  readonly #pins: BlockPins
  readonly #deferred = new Map<bigint, PastQuery[]>()
  readonly #answers = new Map<string, PastAnswer>()

  constructor(context: SearchContext, pins: BlockPins) {
    this.#context = context
    this.#pins = pins
  }

  defer(number: bigint, query: PastQuery): void {
    const queries = this.#deferred.get(number)
    if (queries === undefined) this.#deferred.set(number, [query])
    else queries.push(query)
  }

  /** Reads what is still deferred. */
  async settle(): Promise<void> {
    await this.read(new Map([...this.#deferred.keys()].map((number) => [number, []])))
  }

  /** The answer to a query that was deferred to a block, after it was read. */
  answerTo(number: bigint, query: PastQuery): PastAnswer {
    const answer = this.#answers.get(answerKey(number, query))
    if (answer === undefined) throw new Error(`invariant: ${query.subject} was not read at block ${number}`)
    return answer
  }

  /** @returns answers in the order of what is wanted at each block */
  async read(wanted: Wanted): Promise<ReadonlyMap<bigint, readonly PastAnswer[]>> {
    const found = new Map<bigint, readonly PastAnswer[]>()
    const blocks = [...wanted]
    for (let start = 0; start < blocks.length; start += BLOCKS_AT_ONCE) {
      this.#context.signal?.throwIfAborted()
      const part = blocks.slice(start, start + BLOCKS_AT_ONCE)
      const answers = await Promise.all(part.map(([number, queries]) => this.#readBlock(number, queries)))
      part.forEach(([number], index) => found.set(number, answers[index] ?? []))
    }
    return found
  }

  async #readBlock(number: bigint, queries: readonly PastQuery[]): Promise<readonly PastAnswer[]> {
    const { client, logger } = this.#context
    const deferred = this.#deferred.get(number) ?? []
    this.#deferred.delete(number)
    const block = this.#pins.at(number)
    const { timestampSeconds, answers } = await readPast(client, block, [...queries, ...deferred], logger)
    this.times.set(number, timestampSeconds)
    deferred.forEach((query, index) => {
      const answer = answers[queries.length + index]
      if (answer !== undefined) this.#answers.set(answerKey(number, query), answer)
    })
    return answers.slice(0, queries.length)
  }
}

function answerKey(number: bigint, { subject, account }: PastQuery): string {
  return `${number}:${subject}:${account}`
}
