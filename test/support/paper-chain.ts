import type { HistorySource } from '../../src/ledger/history/history-source.js'
import type { BlockHeader } from '../../src/model/block.js'
import type {
  BalanceReading,
  BlockObservation,
  ChainEvent,
  CoverageKind,
  SpanChange,
} from '../../src/model/chain-event.js'
import { positionKey } from '../../src/model/position.js'
import type { Hash, Position } from '../../src/model/position.js'

/** A balance with the block since which it holds. */
export type Step = readonly [block: bigint, balance: bigint]

const genesisSeconds = 1_700_000_000

/** The chain as it is: what every position held at every block, and a source that tells it. */
export class PaperChain {
  readonly source: HistorySource
  /** Blocks that were searched, one entry for each search. */
  readonly searches: { readonly from: bigint; readonly to: bigint; readonly positions: number }[] = []
  /** What a search says of itself; a sampled one does not find changes in odd blocks. */
  coverage: CoverageKind = 'exact'
  /** Throws where nodes cannot serve a search or a reading. */
  beforeAnswer: (block: bigint) => void = () => undefined
  /** True where a position cannot be read. */
  hides: (position: Position, block: bigint) => boolean = () => false
  readonly #steps = new Map<string, readonly Step[]>()
  readonly #unreadable = new Map<string, string>()

  constructor(positions: readonly (readonly [Position, readonly Step[]])[]) {
    for (const [position, steps] of positions) this.#steps.set(positionKey(position), steps)
    this.source = {
      header: (number) => Promise.resolve(this.header(number)),
      balancesAt: async (block, asked) => {
        this.beforeAnswer(block.number)
        return asked.map((position) => this.read(position, block.number))
      },
      search: async ({ positions: asked, from, to }) => {
        this.beforeAnswer(to.number)
        this.searches.push({ from: from.number, to: to.number, positions: asked.length })
        const changes = asked
          .flatMap((position) => this.#changes(position, from.number, to.number))
          .toSorted((one, other) => Number(one.block.number - other.block.number))
        const ends = asked.map((position) => ({
          position,
          coverage: this.coverage,
          reading: this.read(position, to.number),
        }))
        return { changes, positions: ends }
      },
    }
  }

  header(number: bigint): BlockHeader {
    return {
      number,
      hash: hashOf(number),
      parentHash: hashOf(number - 1n),
      timestampSeconds: genesisSeconds + Number(number) * 12,
    }
  }

  /** From now on the position cannot be read, at any block. */
  breakDown(position: Position, reason: string): void {
    this.#unreadable.set(positionKey(position), reason)
  }

  balance(position: Position, block: bigint): bigint {
    const steps = this.#steps.get(positionKey(position)) ?? []
    return steps.findLast(([since]) => since <= block)?.[1] ?? 0n
  }

  /** What the records of a position should say from one block on: block, balance, the balance before. */
  expected(position: Position, first: bigint, last: bigint): readonly (readonly [bigint, bigint, bigint | null])[] {
    const expected: [bigint, bigint, bigint | null][] = [[first, this.balance(position, first), null]]
    for (const { block, balance } of this.#changes(position, first, last, 'exact')) {
      expected.push([block.number, balance, this.balance(position, block.number - 1n)])
    }
    return expected
  }

  started(number: bigint): ChainEvent {
    return { kind: 'started', genesisHash: hashOf(0n), headers: [this.header(number)] }
  }

  block(number: bigint, positions: readonly Position[]): Extract<ChainEvent, { kind: 'block' }> {
    return { kind: 'block', observation: this.observe(number, positions) }
  }

  observe(number: bigint, positions: readonly Position[]): BlockObservation {
    return {
      header: this.header(number),
      readings: positions.map((position) => this.read(position, number)),
      attributions: new Map(),
      metadata: new Map(),
      finality: { safe: null, finalized: number > 8n ? number - 8n : null },
    }
  }

  read({ chainId, token, solver }: Position, block: bigint): BalanceReading {
    const position = { chainId, token, solver }
    const reason = this.hides(position, block) ? 'hidden' : this.#unreadable.get(positionKey(position))
    if (reason !== undefined) return { kind: 'failed', position, reason }
    return { kind: 'balance', position, balance: this.balance(position, block) }
  }

  #changes({ chainId, token, solver }: Position, from: bigint, to: bigint, coverage = this.coverage): SpanChange[] {
    const position = { chainId, token, solver }
    const steps = this.#steps.get(positionKey(position)) ?? []
    return steps.flatMap(([number, balance]) => {
      if (number <= from || number > to || (coverage === 'sampled' && number % 2n === 1n)) return []
      if (balance === this.balance(position, number - 1n)) return []
      const attribution = {
        transactionHashes: [hashOf(number + 1_000_000n)],
        cause: 'transfer',
        unexplained: 0n,
      } as const
      return [{ position, block: this.header(number), balance, attribution }]
    })
  }
}

function hashOf(number: bigint): Hash {
  return `0x${'ab'.repeat(26)}${(number < 0n ? 0n : number).toString(16).padStart(12, '0')}`
}
