import type { BlockHeader } from '../../model/block.js'
import { positionKey } from '../../model/position.js'
import { draftRecord } from '../draft-record.js'
import { HistoryContradictionError } from '../ledger-store.js'
import type { HistoryCommit, HistoryRow, StoredPosition } from '../ledger-store.js'
import type { CoverageInterval } from '../../model/coverage.js'
import { countBlocks, cutRanges, intersectRanges, joinRanges, subtractRanges } from './block-ranges.js'
import type { BlockRange } from './block-ranges.js'
import { groupChanges, readRecords } from './check-span.js'
import type { ChainTruth } from './compare-records.js'
import { searchSpan } from './history-scope.js'
import type { HistoryScope } from './history-scope.js'
import { recheckExtra } from './recheck-extra.js'
import { rowsBetween } from './repair-records.js'

/** Blocks that are searched and stored at once: what a run that is broken off has to do again. */
export const SLICE_BLOCKS = 4096n
/** Pieces stored in one transaction: no block can be stored meanwhile. */
const PIECES_AT_ONCE = 100

export interface FillProgress {
  readonly chainId: bigint
  readonly name: string
  /** Blocks. */
  readonly done: bigint
  readonly total: bigint
  /** Records that there are more than before. */
  readonly records: number
}

export interface FillOptions {
  readonly positions: readonly StoredPosition[]
  /** Inclusive bounds; what lies above the cursor is left to the live loop. */
  readonly range: BlockRange
  readonly sliceBlocks?: bigint | undefined
  readonly onProgress?: ((progress: FillProgress) => void) | undefined
}

export interface FillReport {
  readonly chainId: bigint
  readonly name: string
  /** Blocks that were searched for at least one position. */
  readonly blocks: bigint
  readonly positions: number
  readonly records: number
  /** Positions of which some blocks are only sampled, because nothing proves that all changes were found. */
  readonly sampled: number
  /** Positions whose balances grow by themselves: their past is not searched. */
  readonly accruing: number
  /** Why positions stayed unseen, by `positionKey`: the newest reason of each. */
  readonly unreadable: ReadonlyMap<string, string>
}

/** The blocks of one position that are to be filled in. */
interface Gaps {
  readonly position: StoredPosition
  /** No record and no coverage. */
  readonly unseen: readonly BlockRange[]
  /** Known in part: only a search that proves all changes is better. */
  readonly sampled: readonly BlockRange[]
  /** Grows with what is filled. */
  readonly exact: BlockRange[]
}

/**
 * Fills in what the coverage says is not known, from the newest block to the oldest, so that what is stored always leads
 * up to a block that was read. Each slice is stored before the next one is searched, so a run that was broken off goes
 * on where it was. What changed is told by `announceHistory` afterwards.
 */
export async function fillHistory(scope: HistoryScope, options: FillOptions): Promise<FillReport> {
  const range = intersectRanges(options.range, { from: 0n, to: scope.cursor.number })
  const growing = options.positions.filter((position) => position.accruing)
  const gaps: Gaps[] = []
  for (const position of options.positions) {
    if (position.accruing || range === null) continue
    const gap = gapsOf(position, await scope.store.coverage(position.id), { range, cursor: scope.cursor.number })
    if (gap.unseen.length + gap.sampled.length > 0) gaps.push(gap)
  }
  const wanted = joinRanges(gaps.flatMap((gap) => [...gap.unseen, ...gap.sampled]))
  const fill = new Filling(scope)
  const total = countBlocks(wanted)
  let done = 0n
  const progress = (): void =>
    options.onProgress?.({ chainId: scope.chainId, name: scope.name, done, total, records: fill.records })
  progress()
  for (const slice of cutRanges(wanted, options.sliceBlocks ?? SLICE_BLOCKS).toReversed()) {
    scope.signal?.throwIfAborted()
    await fill.slice(gaps, slice)
    done += countBlocks([slice])
    progress()
  }
  return {
    chainId: scope.chainId,
    name: scope.name,
    blocks: total,
    positions: gaps.length,
    records: fill.records,
    sampled: fill.sampled.size,
    accruing: growing.length,
    unreadable: fill.unreadable,
  }
}

function gapsOf(
  position: StoredPosition,
  coverage: readonly CoverageInterval[],
  { range, cursor }: { readonly range: BlockRange; readonly cursor: bigint },
): Gaps {
  const of = (kind: CoverageInterval['kind']): BlockRange[] =>
    coverage.filter((interval) => interval.kind === kind).map(({ from, to }) => ({ from, to: to ?? cursor }))
  const exact = of('exact')
  const missing = subtractRanges(range, exact)
  const sampled = missing.flatMap((gap) => of('sampled').flatMap((seen) => intersectRanges(gap, seen) ?? []))
  const unseen = missing.flatMap((gap) => subtractRanges(gap, sampled))
  return { position, unseen, sampled, exact }
}

/** Positions that can be read from a block on. */
interface Begin {
  readonly block: bigint
  readonly gaps: readonly Gaps[]
}

interface Start {
  readonly gaps: Gaps
  readonly balance: bigint
  /** True when the newest record before says the same: the start needs none. */
  readonly told: boolean
}

/** Blocks of one position that are to be stored. */
interface Piece {
  readonly gaps: Gaps
  readonly truth: ChainTruth
  readonly told: Start['told']
  readonly from: bigint
  readonly to: BlockHeader
  /** As it was read at `to`. */
  readonly balance: bigint
}

interface Searched {
  readonly gaps: Gaps
  readonly truth: ChainTruth
  readonly told: Start['told']
  readonly slice: BlockRange
  readonly end: BlockHeader
  /** As it was read at `end`. */
  readonly balance: bigint
}

/** One run over one chain. */
class Filling {
  readonly unreadable = new Map<string, string>()
  readonly sampled = new Set<bigint>()
  records = 0
  readonly #scope: HistoryScope
  /** Positions of which the chain and the store say different things: nothing more of them is stored. */
  readonly #refused = new Set<bigint>()

  constructor(scope: HistoryScope) {
    this.#scope = scope
  }

  /** Positions that are known at the block before go on from there; the others begin with it, or within. */
  async slice(all: readonly Gaps[], slice: BlockRange): Promise<void> {
    const meant = all.filter(
      ({ position, unseen, sampled }) =>
        !this.#refused.has(position.id) && [...unseen, ...sampled].some((gap) => intersectRanges(gap, slice)),
    )
    const before = slice.from - 1n
    const known = meant.filter((gaps) => gaps.exact.some(({ from, to }) => from <= before && before <= to))
    const begun = meant.filter((gaps) => !known.includes(gaps))
    if (known.length > 0) await this.#search(slice, before, await this.#storedStarts(known, before))
    for (const { block, gaps } of await this.#findBegins(begun, slice)) {
      await this.#search({ from: block, to: slice.to }, block, await this.#readStarts(gaps, block))
    }
  }

  /**
   * The oldest block of a slice at which each position can be read: a token has no balances before it was deployed, and
   * a node may not have the oldest states. Positions that cannot be read at the slice's end are in none.
   */
  async #findBegins(all: readonly Gaps[], slice: BlockRange): Promise<readonly Begin[]> {
    if (all.length === 0) return []
    const first = await this.#split(all, slice.from)
    if (first.unread.length === 0 || slice.from === slice.to) return [{ block: slice.from, gaps: first.read }]
    const last = await this.#split(first.unread, slice.to)
    const begins: Begin[] = [{ block: slice.from, gaps: first.read }]
    const open = [{ low: slice.from, high: slice.to, gaps: last.read }]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { low, high, gaps } = next
      if (gaps.length === 0) continue
      if (high - low === 1n) {
        begins.push({ block: high, gaps })
        continue
      }
      const middle = (low + high) / 2n
      const { read, unread } = await this.#split(gaps, middle)
      open.push({ low, high: middle, gaps: read }, { low: middle, high, gaps: unread })
    }
    return begins
  }

  /** Which positions can be read at a block, and which cannot. */
  async #split(
    all: readonly Gaps[],
    block: bigint,
  ): Promise<{ readonly read: readonly Gaps[]; readonly unread: readonly Gaps[] }> {
    this.#scope.signal?.throwIfAborted()
    const balances = await this.#read(all, await this.#scope.header(block))
    return {
      read: all.filter((_gaps, index) => balances[index] != null),
      unread: all.filter((_gaps, index) => balances[index] == null),
    }
  }

  async #storedStarts(known: readonly Gaps[], block: bigint): Promise<readonly Start[]> {
    const stored = await this.#stored(known, block)
    return known.flatMap((gaps) => {
      const balance = stored.get(gaps.position.id)
      return balance === undefined ? [] : [{ gaps, balance, told: true }]
    })
  }

  async #readStarts(begun: readonly Gaps[], block: bigint): Promise<readonly Start[]> {
    if (begun.length === 0) return []
    const stored = await this.#stored(begun, block - 1n)
    const balances = await this.#read(begun, await this.#scope.header(block))
    return begun.flatMap((gaps, index) => {
      const balance = balances[index] ?? null
      // Before it is settled, a record is what tells that the block is the one that was read.
      const told = this.#scope.isSettled(block) && stored.get(gaps.position.id) === balance
      return balance === null ? [] : [{ gaps, balance, told }]
    })
  }

  /** Balances by position, as the newest records up to a block say. */
  async #stored(all: readonly Gaps[], block: bigint): Promise<ReadonlyMap<bigint, bigint>> {
    const ids = all.map((gaps) => gaps.position.id)
    const records = await this.#scope.store.recordsAt(ids, block)
    return new Map(records.map((record) => [record.positionId, record.balance]))
  }

  /** @returns null for a position that cannot be read */
  async #read(all: readonly Gaps[], block: BlockHeader): Promise<readonly (bigint | null)[]> {
    const readings = await this.#scope.source.balancesAt(
      block,
      all.map((gaps) => gaps.position),
    )
    return all.map(({ position }, index) => {
      const reading = readings[index]
      if (reading?.kind === 'balance') return reading.balance
      this.unreadable.set(positionKey(position), reading?.reason ?? 'the chain gave no answer')
      return null
    })
  }

  async #search(slice: BlockRange, start: bigint, starts: readonly Start[]): Promise<void> {
    if (starts.length === 0) return
    const scope = this.#scope
    const from = await scope.header(start)
    // One block more: its record, if there is one, follows on what is found here.
    const end = await scope.header(slice.to < scope.cursor.number ? slice.to + 1n : slice.to)
    const positions = starts.map(({ gaps, balance }) => ({ ...gaps.position, balance }))
    const findings = await searchSpan(scope, { positions, from, to: end })
    const changes = groupChanges(findings.changes)
    const ends = new Map(findings.positions.map((seen) => [positionKey(seen.position), seen]))
    const pieces: Piece[] = []
    for (const { gaps, balance: startBalance, told } of starts) {
      const key = positionKey(gaps.position)
      const seen = ends.get(key)
      if (seen?.reading.kind !== 'balance') {
        this.unreadable.set(key, seen?.reading.reason ?? 'the chain gave no answer')
        continue
      }
      const { balance } = seen.reading
      const found = { start: from, startBalance, changes: changes.get(key) ?? [], coverage: seen.coverage }
      const complete = balanceWithin(found, end.number) === balance
      const searched: ChainTruth = complete ? found : { ...found, coverage: 'sampled' }
      const truth = await this.#recheck(gaps, searched, { from: start + 1n, to: end.number })
      if (truth === null) {
        this.unreadable.set(key, 'the block of a record that the search did not find could not be read')
        continue
      }
      pieces.push(...(await this.#piecesOf({ gaps, truth, told, slice, end, balance })))
    }
    for (let first = 0; first < pieces.length; first += PIECES_AT_ONCE) {
      await this.#store(pieces.slice(first, first + PIECES_AT_ONCE))
    }
  }

  /** What is to replace records of a sampled interval must not have missed what they say. */
  async #recheck({ position, sampled }: Gaps, truth: ChainTruth, range: BlockRange): Promise<ChainTruth | null> {
    if (truth.coverage !== 'exact' || !sampled.some((gap) => intersectRanges(gap, range))) return truth
    const records = await readRecords(this.#scope, position, range.from, range.to)
    return recheckExtra(this.#scope, { position, truth, stored: { before: null, records } })
  }

  /**
   * The blocks of a slice that are missing, each range with the block after it: that one was read before, or the search
   * ended with it, or it is read now where the search proves nothing of it.
   */
  async #piecesOf({ gaps, truth, told, slice, end, balance }: Searched): Promise<readonly Piece[]> {
    const exact = truth.coverage === 'exact'
    if (!exact) this.sampled.add(gaps.position.id)
    // Records of a sampled interval may be ones that a search without proof does not find again: they stay.
    const open = exact ? joinRanges([...gaps.unseen, ...gaps.sampled]) : gaps.unseen
    const pieces: Piece[] = []
    for (const gap of open.toReversed()) {
      const range = intersectRanges(gap, slice)
      if (range === null) continue
      const to = range.to < end.number ? await this.#scope.header(range.to + 1n) : end
      if (exact || to.number === end.number) {
        const held = to.number === end.number ? balance : balanceWithin(truth, to.number)
        pieces.push({ gaps, truth, told, from: range.from, to, balance: held })
        continue
      }
      const [read] = await this.#read([gaps], to)
      if (read != null) pieces.push({ gaps, truth, told, from: range.from, to, balance: read })
    }
    return pieces
  }

  async #store(pieces: readonly Piece[]): Promise<void> {
    const { store, chainId } = this.#scope
    const commits: HistoryCommit[] = []
    for (const piece of pieces) commits.push(await this.#commitOf(piece))
    try {
      const { added, removed } = await store.commitHistoryPieces(chainId, commits)
      this.records += added - removed
    } catch (error) {
      if (!(error instanceof HistoryContradictionError)) throw error
      const [piece] = pieces
      if (pieces.length === 1 && piece !== undefined) return this.#refuse(piece, error)
      // One of them is the reason; the others are as good as ever.
      for (const each of pieces) await this.#store([each])
      return
    }
    for (const { gaps, truth, from, to } of pieces) {
      if (truth.coverage === 'exact') gaps.exact.push({ from, to: to.number })
    }
  }

  #refuse({ gaps: { position } }: Piece, error: HistoryContradictionError): void {
    this.#refused.add(position.id)
    this.unreadable.set(positionKey(position), error.message)
  }

  async #commitOf(piece: Piece): Promise<HistoryCommit> {
    const { gaps, truth, from, to } = piece
    return {
      chainId: this.#scope.chainId,
      positionId: gaps.position.id,
      from,
      to,
      records: rowsOf(piece),
      coverage: truth.coverage,
      reason: 'backfill',
      notes: [],
      next: await this.#nextOf(piece),
      links: await this.#scope.linksAbove(to),
    }
  }

  /** The first block after a piece that was read, where unseen ones lie between and its balance is another one. */
  async #nextOf({ gaps, to, balance }: Piece): Promise<HistoryRow | undefined> {
    const { position, exact } = gaps
    if (exact.some((known) => known.from <= to.number && to.number <= known.to)) return undefined
    const above = exact.toSorted((one, two) => (one.from < two.from ? -1 : 1)).find(({ from }) => from > to.number)
    if (above === undefined) return undefined
    const [record] = await this.#scope.store.recordsAt([position.id], above.from)
    if (record === undefined || record.blockNumber > to.number || record.balance === balance) return undefined
    return startOf(position, await this.#scope.header(above.from), record.balance)
  }
}

/** The balance that the changes of a search lead to. */
function balanceWithin({ startBalance, changes }: ChainTruth, block: bigint): bigint {
  return changes.findLast((change) => change.block.number <= block)?.balance ?? startBalance
}

/** The records of a piece. Where the changes do not lead to its end, they lack some: a record at the end says the rest. */
function rowsOf({ gaps, truth, told, from, to, balance }: Piece): readonly HistoryRow[] {
  const { position } = gaps
  const first = told && from <= truth.start.number ? truth.start.number + 1n : from
  const rows = rowsBetween(position, truth, first, to.number)
  if (balanceWithin(truth, to.number) === balance) return rows
  const earlier = rows.filter((row) => row.block.number < to.number)
  const previousBalance = earlier.at(-1)?.balance ?? balanceWithin(truth, to.number - 1n)
  if (previousBalance === balance) return earlier
  const { metadata } = position
  const last = draftRecord({ position, block: to, balance, previousBalance, attribution: null, metadata })
  return [...earlier, { ...last, block: to }]
}

function startOf(position: StoredPosition, block: BlockHeader, balance: bigint): HistoryRow {
  const { metadata } = position
  return { ...draftRecord({ position, block, balance, previousBalance: null, attribution: null, metadata }), block }
}
