import pg from 'pg'

import { ChainLedger } from '../src/ledger/chain-ledger.js'
import type { HistorySource } from '../src/ledger/history/history-source.js'
import type { StoredPosition } from '../src/ledger/ledger-store.js'
import type { SpanChange, SpanObservation } from '../src/model/chain-event.js'
import { silentLogger } from '../src/model/logger.js'
import { median } from './quantile.js'
import { CHAIN_ID, CHAIN_NAME, headerOf } from './records-ground.js'
import type { RecordsGround } from './records-ground.js'

/** As many blocks as the live loop passes at once when it closes a gap. */
const SPAN_BLOCKS = 1024
const CHANGES_PER_BLOCK = 4
const SPANS_PER_ROUND = 8
const ROUNDS = 5
/** Where the bare loop's records go: beyond all that the ledger writes. */
const BARE_BLOCKS_ABOVE = 100_000_000

export interface CatchUpRow {
  readonly insertion: string
  readonly recordsPerSecond: number
}

interface Span {
  readonly observation: SpanObservation
  readonly changes: readonly (SpanChange & { readonly positionId: bigint; readonly previous: bigint })[]
}

/**
 * Stores spans of missed blocks as the live loop does, by the real ledger with its events, cursor and coverage; beside it
 * the same number of records by bare unnest INSERTs, a commit for each span, on one connection. In turns.
 */
export async function measureCatchUp(ground: RecordsGround): Promise<CatchUpRow[]> {
  const { storage, address } = ground
  const ledger = await ChainLedger.load({
    chainId: CHAIN_ID,
    name: CHAIN_NAME,
    store: storage.ledger,
    source: noSource,
    logger: silentLogger,
  })
  const spans = new SpanMaker(ground, [...(await ledger.positions()).values()])
  const client = new pg.Client(address)
  await client.connect()
  const ours: number[] = []
  const bare: number[] = []
  try {
    for (let round = 0; round <= ROUNDS; round += 1) {
      console.error(`records: catching up, round ${round} of ${ROUNDS} …`)
      const made = Array.from({ length: SPANS_PER_ROUND }, () => spans.next())
      const ourRate = await rate(made, async ({ observation }) => {
        await ledger.positions()
        await ledger.apply({ kind: 'span', span: observation })
      })
      const bareRate = await rate(made, ({ changes }) => insertBare(client, changes))
      // The first round warms up.
      if (round === 0) continue
      ours.push(ourRate)
      bare.push(bareRate)
    }
  } finally {
    await client.end()
  }
  const ratios = ours.map((one, index) => one / (bare[index] ?? Number.NaN))
  return [
    { insertion: 'catch-up: records with events, cursor and coverage', recordsPerSecond: median(ours) },
    { insertion: 'bare unnest INSERTs of the records alone', recordsPerSecond: median(bare) },
    { insertion: 'the first in parts of the second', recordsPerSecond: median(ratios) },
  ]
}

/** Every change is explained, so that nothing is asked of a node. */
const noSource: HistorySource = {
  header: () => Promise.reject(new Error('invariant: nothing is read again')),
  balancesAt: () => Promise.reject(new Error('invariant: nothing is read again')),
  search: () => Promise.reject(new Error('invariant: nothing is read again')),
}

async function rate(spans: readonly Span[], store: (span: Span) => Promise<void>): Promise<number> {
  const startedAt = performance.now()
  for (const span of spans) await store(span)
  const seconds = (performance.now() - startedAt) / 1000
  return spans.reduce((sum, { changes }) => sum + changes.length, 0) / seconds
}

/** What a search of the blocks after the cursor would have found. */
class SpanMaker {
  readonly #beginMs: number
  readonly #positions: readonly StoredPosition[]
  readonly #balances: bigint[]
  #from: number
  #turn = 0

  constructor(ground: RecordsGround, positions: readonly StoredPosition[]) {
    this.#beginMs = ground.beginMs
    this.#positions = positions
    this.#balances = positions.map(({ lastBalance }) => lastBalance ?? 0n)
    this.#from = Number(ground.cursor.number)
  }

  next(): Span {
    const before = [...this.#balances]
    const changes: Span['changes'][number][] = []
    for (let number = this.#from + 1; number <= this.#from + SPAN_BLOCKS; number += 1) {
      const block = headerOf(number, this.#beginMs)
      for (let count = 0; count < CHANGES_PER_BLOCK; count += 1) changes.push(this.#change(block))
    }
    this.#from += SPAN_BLOCKS
    const target = headerOf(this.#from, this.#beginMs)
    const positions = this.#positions.map((position, index) => ({
      position,
      coverage: 'exact' as const,
      before: before[index],
      reading: { kind: 'balance' as const, position, balance: this.#balances[index] ?? 0n },
    }))
    const finality = { safe: null, finalized: null }
    return { observation: { target, headers: [target], changes, positions, finality }, changes }
  }

  #change(block: SpanChange['block']): Span['changes'][number] {
    const index = this.#turn % this.#positions.length
    this.#turn += 1
    const position = this.#positions[index]
    const previous = this.#balances[index]
    if (position === undefined || previous === undefined) throw new Error('invariant: there are positions')
    const balance = previous + BigInt(1 + (this.#turn % 1000)) * 10n ** 12n
    this.#balances[index] = balance
    return {
      position,
      positionId: position.id,
      previous,
      block,
      balance,
      attribution: { transactionHashes: [block.hash], cause: 'transfer', unexplained: 0n },
    }
  }
}

async function insertBare(client: pg.Client, changes: Span['changes']): Promise<void> {
  await client.query({
    name: 'bare-insert',
    text: `
      insert into tidemark.balance_record (position_id, block_number, block_hash, timestamp, balance, previous_balance,
        transaction_hashes, cause, unexplained, decimals, symbol, name)
      select id, number, hash, at, balance, previous, array[transaction], cause, 0, decimals, symbol, name
      from unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::timestamptz[], $5::numeric[], $6::numeric[], $7::bytea[],
        $8::text[], $9::smallint[], $10::text[], $11::text[])
        as entry (id, number, hash, at, balance, previous, transaction, cause, decimals, symbol, name)`,
    values: [
      changes.map(({ positionId }) => positionId),
      changes.map(({ block }) => block.number + BigInt(BARE_BLOCKS_ABOVE)),
      changes.map(({ block }) => Buffer.from(block.hash.slice(2), 'hex')),
      changes.map(({ block }) => new Date(block.timestampSeconds * 1000)),
      changes.map(({ balance }) => balance.toString()),
      changes.map(({ previous }) => previous.toString()),
      changes.map(({ attribution }) => Buffer.from((attribution.transactionHashes[0] ?? '').slice(2), 'hex')),
      changes.map(({ attribution }) => attribution.cause),
      changes.map(() => 18),
      changes.map(() => 'BNC'),
      changes.map(() => 'Bench Coin'),
    ],
  })
}
