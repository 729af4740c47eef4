import { decideBlock } from '../../src/ledger/decide-block.js'
import type { HistoryRow } from '../../src/ledger/ledger-store.js'
import type { BlockHeader } from '../../src/model/block.js'
import { systemClock } from '../../src/model/clock.js'
import type { Clock } from '../../src/model/clock.js'
import type { Logger } from '../../src/model/logger.js'
import { silentLogger } from '../../src/model/logger.js'
import { positionKey } from '../../src/model/position.js'
import { CopyPlace } from '../../src/storage/mongodb/copy-place.js'
import { CopyStep } from '../../src/storage/mongodb/copy-step.js'
import { digestDocuments, digestSource } from '../../src/storage/mongodb/digest-records.js'
import { MongoDbConsumer } from '../../src/storage/mongodb/mongodb-consumer.js'
import { openMongoDb } from '../../src/storage/mongodb/mongodb-connection.js'
import type { MongoDbConnection } from '../../src/storage/mongodb/mongodb-connection.js'
import { RecordCarrier } from '../../src/storage/mongodb/record-carrier.js'
import type { RecordSource } from '../../src/storage/mongodb/record-source.js'
import { PostgresRecordSource } from '../../src/storage/postgres/record-source.js'
import { createRandom } from '../../src/testing/random.js'
import { blockCommit, chainId, header, historyCommit, row } from './ledger-store-fixture.js'
import type { StoreFixture } from './ledger-store-fixture.js'

/** Numbers from 0 to below a bound, the same ones for the same seed. */
export function drawFrom(seed: number): (bound: number) => number {
  const random = createRandom(seed)
  return (bound) => random.integer(0, bound - 1)
}

/** Writes history through the ledger's store, as blocks, reorganisations and checks against the chain do. */
export class Historian {
  readonly #fixture: StoreFixture
  readonly #draw: (bound: number) => number
  /** The chain's headers, oldest first. */
  readonly #headers: BlockHeader[] = [header(8n), header(9n)]
  #branch = 10

  constructor(fixture: StoreFixture, seed: number) {
    this.#fixture = fixture
    this.#draw = drawFrom(seed)
  }

  get branch(): number {
    return this.#branch
  }

  get cursor(): BlockHeader {
    return this.#headers.at(-1) ?? header(9n)
  }

  /** Does one thing or another. */
  async step(): Promise<void> {
    const lot = this.#draw(10)
    if (lot < 6) await this.block()
    else if (lot < 8) await this.rollBack(1 + this.#draw(4))
    else await this.rewrite()
  }

  /** The next block, in which each position holds an amount of few, of which one is beyond what 64 bits hold. */
  async block(balances?: readonly bigint[]): Promise<void> {
    const { store } = this.#fixture
    const parent = this.cursor
    const next = { ...header(parent.number + 1n, (this.#branch % 16).toString(16)), parentHash: parent.hash }
    const positions = await store.loadPositions(chainId)
    const decision = decideBlock(new Map(positions.map((stored) => [positionKey(stored), stored])), {
      header: next,
      readings: positions.map((position, index) => ({
        kind: 'balance',
        position,
        balance: balances?.[index] ?? [0n, 1n, 2n ** 200n + 7n][this.#draw(3)] ?? 0n,
      })),
      attributions: new Map(),
      metadata: new Map([['native', { decimals: 18, symbol: 'ETH', name: 'Ether' }]]),
      finality: { safe: null, finalized: null },
    })
    await store.commitBlock(blockCommit(parent, next, decision))
    this.#headers.push(next)
  }

  /** A reorganisation so deep; the blocks that follow are others, or those of a branch that was there before. */
  async rollBack(depth: number, branch = this.#branch + 1): Promise<void> {
    const kept = Math.max(1, this.#headers.length - depth)
    const ancestor = this.#headers[kept - 1]
    if (ancestor === undefined || kept === this.#headers.length) return
    await this.#fixture.rollBack(this.cursor, ancestor)
    this.#headers.length = kept
    this.#branch = branch
  }

  /** Other records between two blocks, as a check against the chain finds them. */
  async rewrite(): Promise<void> {
    const { native, erc20, database, store } = this.#fixture
    const from = this.#draw(this.#headers.length)
    const blocks = this.#headers.slice(from, from + 1 + this.#draw(5))
    const to = blocks.at(-1)
    if (to === undefined) return
    const positionId = this.#draw(2) === 0 ? native : erc20
    const records: HistoryRow[] = []
    for (const block of blocks) {
      const last = records.at(-1)?.balance ?? null
      const balance = BigInt(this.#draw(4))
      if (balance !== last) records.push(row(positionId, block, balance, last))
    }
    // Finality says that the blocks are canonical.
    await database.query({
      name: 'test-finality',
      text: 'update tidemark.chain set finalized_number = $1',
      values: [to.number],
    })
    const first = blocks[0] ?? to
    await store.commitHistory(historyCommit(positionId, first.number, to, { records, reason: 'verify' }))
  }
}

/** One process's part in keeping a copy, to be taken step by step. */
export interface Copier {
  readonly connection: MongoDbConnection
  readonly source: RecordSource
  readonly place: CopyPlace
  readonly carrier: RecordCarrier
  /** One step. */
  step(): Promise<'idle' | 'more'>
  /** Steps until nothing is left to do. */
  catchUp(): Promise<void>
  /** Follows by itself. */
  consumer(mayWork?: () => boolean): MongoDbConsumer
  close(): Promise<void>
}

export interface CopierOptions {
  readonly batchSize?: number
  readonly clock?: Clock
  readonly logger?: Logger
  /** Puts something between PostgreSQL and the copier. */
  readonly around?: (source: RecordSource) => RecordSource
}

export async function openCopier(fixture: StoreFixture, url: string, options: CopierOptions = {}): Promise<Copier> {
  const { batchSize = 3, clock = systemClock, logger = silentLogger, around = (source) => source } = options
  const connection = await openMongoDb({ url }, logger)
  const source = around(new PostgresRecordSource(fixture.database, fixture.log))
  const place = new CopyPlace(connection.places)
  const { records } = connection
  const carrier = new RecordCarrier({ source, records, place, clock, batchSize })
  const step = new CopyStep({ source, records, place, carrier, clock, logger })
  const takeStep = async (): Promise<'idle' | 'more'> => step.take(await place.read())
  return {
    connection,
    source,
    place,
    carrier,
    step: takeStep,
    async catchUp() {
      while ((await takeStep()) === 'more');
    },
    consumer: (mayWork = () => true) =>
      new MongoDbConsumer({
        connect: () => connection.connect(),
        source,
        place,
        step,
        carrier,
        clock,
        logger,
        mayWork,
      }),
    close: () => connection.close(),
  }
}

/** The records of both sides, to be compared: equal when MongoDB has exactly those of PostgreSQL. */
export async function digests(copier: Copier): Promise<{ readonly mongodb: object; readonly postgres: object }> {
  return {
    mongodb: await digestDocuments(copier.connection.records),
    postgres: await digestSource(copier.source),
  }
}
