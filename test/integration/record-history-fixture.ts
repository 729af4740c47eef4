import { decideBlock } from '../../src/ledger/decide-block.js'
import type { HistoryRow } from '../../src/ledger/ledger-store.js'
import type { BlockHeader } from '../../src/model/block.js'
import type { CoverageKind } from '../../src/model/chain-event.js'
import { positionKey } from '../../src/model/position.js'
import { blockCommit, chainId, header, historyCommit, row, spanCommit } from './ledger-store-fixture.js'
import type { StoreFixture } from './ledger-store-fixture.js'
import { drawFrom } from './mongodb-fixture.js'

/** Seconds between two blocks, more or less as chains have them, and as a chain that stood still. */
const steps = [0, 0, 1, 2, 12, 12, 12, 600, 7200, 50_000]
/** Amounts of up to 78 digits, so few that balances return to what they were. */
const amounts = [0n, 1n, 999n, 10n ** 18n, 2n ** 63n, 2n ** 64n + 1n, 10n ** 77n + 7n, 2n ** 256n - 1n]

/**
 * Writes history of one chain and two positions through the ledger's store: blocks with and without changes, positions
 * that cannot be read, gaps, spans that were searched, reorganisations, and history that is written anew.
 */
export class Chronicle {
  readonly #fixture: StoreFixture
  readonly #draw: (bound: number) => number
  /** Every header since the beginning, oldest first; some may have been passed over. */
  readonly #headers: BlockHeader[] = [header(8n), header(9n)]
  #branch = 10

  constructor(fixture: StoreFixture, seed: number) {
    this.#fixture = fixture
    this.#draw = drawFrom(seed)
  }

  get cursor(): BlockHeader {
    return this.#headers.at(-1) ?? header(9n)
  }

  /** The chain's blocks, oldest first. */
  get headers(): readonly BlockHeader[] {
    return this.#headers
  }

  async write(count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      const lot = this.#draw(20)
      if (lot < 13) await this.#block()
      else if (lot < 14) await this.#gap()
      else if (lot < 16) await this.#span()
      else if (lot < 18) await this.rollBack(1 + this.#draw(3))
      else await this.#rewrite()
    }
    // A chain that has had a block since its last trouble.
    await this.#block()
  }

  #next(): BlockHeader {
    const parent = this.cursor
    return {
      ...header(parent.number + 1n, (this.#branch % 16).toString(16)),
      parentHash: parent.hash,
      timestampSeconds: parent.timestampSeconds + this.#pick(steps),
    }
  }

  #pick<Item>(items: readonly Item[]): Item {
    const item = items[this.#draw(items.length)]
    if (item === undefined) throw new Error('expected an item')
    return item
  }

  async #block(): Promise<void> {
    const { store } = this.#fixture
    const parent = this.cursor
    const next = this.#next()
    const positions = await store.loadPositions(chainId)
    const decision = decideBlock(new Map(positions.map((stored) => [positionKey(stored), stored])), {
      header: next,
      readings: positions.map((position) =>
        this.#draw(10) === 0
          ? { kind: 'failed', position, reason: 'the token does not answer' }
          : {
              kind: 'balance',
              position,
              balance: this.#draw(2) === 0 ? (position.lastBalance ?? 0n) : this.#pick(amounts),
            },
      ),
      attributions: new Map(),
      metadata: new Map([['native', { decimals: 18, symbol: 'ETH', name: 'Ether' }]]),
      finality: { safe: null, finalized: null },
    })
    await store.commitBlock(blockCommit(parent, next, decision))
    this.#headers.push(next)
  }

  /** Some blocks that nobody read. */
  async #gap(): Promise<void> {
    const { store } = this.#fixture
    const cursor = this.cursor
    const target = { ...this.#next(), number: cursor.number + 5n }
    await store.commitGap({ chainId, cursor, headers: [target], reason: 'the endpoints were away' })
    this.#headers.push(target)
  }

  /** Some blocks that were searched for changes. */
  async #span(): Promise<void> {
    const { store } = this.#fixture
    const parent = this.cursor
    const positions = await store.loadPositions(chainId)
    const [first, second, target] = [this.#next(), this.#next(), this.#next()].map((block, index) => ({
      ...block,
      number: parent.number + BigInt(index + 1),
      timestampSeconds: parent.timestampSeconds + 7 * (index + 1),
    }))
    if (first === undefined || second === undefined || target === undefined) return
    const records: HistoryRow[] = []
    for (const block of [first, target]) {
      for (const { id, lastBalance } of positions) {
        const before = records.findLast(({ positionId }) => positionId === id)?.balance ?? lastBalance
        const balance = this.#pick(amounts)
        if (before !== null && balance !== before) records.push(row(id, block, balance, before))
      }
    }
    const kind = this.#pick<CoverageKind>(['exact', 'sampled'])
    const known = positions.filter(({ fresh, lastBalance }) => !fresh && lastBalance !== null)
    const coverage = new Map(known.map(({ id }) => [id, kind]))
    await store.commitSpan(
      spanCommit(parent, [target], { records: records.filter(({ positionId }) => coverage.has(positionId)), coverage }),
    )
    this.#headers.push(target)
  }

  /** Undoes so many blocks; those that follow are others. */
  async rollBack(depth: number): Promise<void> {
    const kept = Math.max(1, this.#headers.length - depth)
    const ancestor = this.#headers[kept - 1]
    if (ancestor === undefined || kept === this.#headers.length) return
    await this.#fixture.rollBack(this.cursor, ancestor)
    this.#headers.length = kept
    this.#branch += 1
  }

  async #rewrite(): Promise<void> {
    const { native, erc20, database, store } = this.#fixture
    const from = this.#draw(this.#headers.length)
    const blocks = this.#headers.slice(from, from + 1 + this.#draw(5))
    const [first, to] = [blocks[0], blocks.at(-1)]
    if (first === undefined || to === undefined) return
    const positionId = this.#pick([native, erc20])
    const records: HistoryRow[] = []
    for (const block of blocks) {
      const last = records.at(-1)?.balance ?? null
      const balance = this.#pick(amounts)
      if (balance !== last) records.push(row(positionId, block, balance, last))
    }
    // Finality says that the blocks are canonical.
    await database.query({
      name: 'test-finality',
      text: 'update tidemark.chain set finalized_number = $1',
      values: [to.number],
    })
    const coverage = this.#pick<CoverageKind>(['exact', 'sampled'])
    await store.commitHistory(historyCommit(positionId, first.number, to, { records, coverage, reason: 'verify' }))
  }
}
