import type { BlockHeader } from '../../model/block.js'
import type { CoverageInterval, StoredPosition } from '../ledger-store.js'
import { positionKey } from '../../model/position.js'
import { countBlocks, cutRanges, intersectRanges, joinRanges, subtractRanges } from './block-ranges.js'
import type { BlockRange } from './block-ranges.js'
import { groupChanges } from './check-span.js'
import type { ChainTruth } from './compare-records.js'
import { commitPiece, searchSpan } from './history-scope.js'
import type { HistoryScope } from './history-scope.js'
import { rowsBetween } from './repair-records.js'

/** Blocks that are searched and stored at once: what a run that is broken off has to do again. */
export const SLICE_BLOCKS = 4096n

export interface FillProgress {
  readonly chainId: bigint
  readonly name: string
  /** Blocks. */
  readonly done: bigint
  readonly total: bigint
  /** Records written so far. */
  readonly records: number
}

export interface FillOptions {
  readonly positions: readonly StoredPosition[]
  /** Inclusive bounds; what lies above the cursor is left to the live loop. */
  readonly range: BlockRange
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
 * Fills in what the coverage says is not known, from the oldest block to the newest. Each slice is stored before the next
 * one is searched, so a run that was broken off goes on where it was.
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
  for (const slice of cutRanges(wanted, SLICE_BLOCKS)) {
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

interface Start {
  readonly gaps: Gaps
  readonly balance: bigint
}

/** One run over one chain. */
class Filling {
  readonly unreadable = new Map<string, string>()
  readonly sampled = new Set<bigint>()
  records = 0
  readonly #scope: HistoryScope

  constructor(scope: HistoryScope) {
    this.#scope = scope
  }

  /** Positions that are known at the block before go on from there; the others begin with this slice. */
  async slice(all: readonly Gaps[], slice: BlockRange): Promise<void> {
    const meant = all.filter((gaps) => [...gaps.unseen, ...gaps.sampled].some((gap) => intersectRanges(gap, slice)))
    const before = slice.from - 1n
    const known = meant.filter((gaps) => gaps.exact.some(({ from, to }) => from <= before && before <= to))
    const begun = meant.filter((gaps) => !known.includes(gaps))
    if (known.length > 0) await this.#search(slice, before, await this.#storedStarts(known, before))
    if (begun.length > 0) await this.#search(slice, slice.from, await this.#readStarts(begun, slice.from))
  }

  async #storedStarts(known: readonly Gaps[], block: bigint): Promise<readonly Start[]> {
    const ids = known.map((gaps) => gaps.position.id)
    const records = new Map(
      (await this.#scope.store.recordsAt(ids, block)).map((record) => [record.positionId, record]),
    )
    return known.flatMap((gaps) => {
      const record = records.get(gaps.position.id)
      return record === undefined ? [] : [{ gaps, balance: record.balance }]
    })
  }

  async #readStarts(begun: readonly Gaps[], block: bigint): Promise<readonly Start[]> {
    const positions = begun.map((gaps) => gaps.position)
    const readings = await this.#scope.source.balancesAt(await this.#scope.header(block), positions)
    return begun.flatMap((gaps, index) => {
      const reading = readings[index]
      if (reading?.kind === 'balance') return [{ gaps, balance: reading.balance }]
      this.unreadable.set(positionKey(gaps.position), reading?.reason ?? 'the chain gave no answer')
      return []
    })
  }

  async #search(slice: BlockRange, start: bigint, starts: readonly Start[]): Promise<void> {
    if (starts.length === 0) return
    const scope = this.#scope
    const from = await scope.header(start)
    // One block more: its record, if there is one, follows on what is found here.
    const end = slice.to < scope.cursor.number ? slice.to + 1n : slice.to
    const to = await scope.header(end)
    const positions = starts.map(({ gaps, balance }) => ({ ...gaps.position, balance }))
    const findings = await searchSpan(scope, { positions, from, to })
    const changes = groupChanges(findings.changes)
    const ends = new Map(findings.positions.map((seen) => [positionKey(seen.position), seen]))
    for (const { gaps, balance } of starts) {
      const key = positionKey(gaps.position)
      const seen = ends.get(key)
      if (seen?.reading.kind !== 'balance') {
        this.unreadable.set(key, seen?.reading.reason ?? 'the chain gave no answer')
        continue
      }
      const found = changes.get(key) ?? []
      await this.#store(gaps, { start: from, startBalance: balance, changes: found, coverage: seen.coverage }, slice)
    }
  }

  async #store(gaps: Gaps, truth: ChainTruth, slice: BlockRange): Promise<void> {
    const exact = truth.coverage === 'exact'
    if (!exact) this.sampled.add(gaps.position.id)
    // Records of a sampled interval may be ones that a search without proof does not find again: they stay.
    const open = exact ? joinRanges([...gaps.unseen, ...gaps.sampled]) : gaps.unseen
    for (const gap of open) {
      const range = intersectRanges(gap, slice)
      if (range === null) continue
      const { cursor } = this.#scope
      const last = exact && range.to < cursor.number ? range.to + 1n : range.to
      await this.#commit(gaps.position, truth, { from: range.from, to: await this.#scope.header(last) })
      if (exact) gaps.exact.push({ from: range.from, to: last })
    }
  }

  async #commit(
    position: StoredPosition,
    truth: ChainTruth,
    { from, to }: { readonly from: bigint; readonly to: BlockHeader },
  ): Promise<void> {
    const records = rowsBetween(position, truth, from, to.number)
    await commitPiece(this.#scope, {
      positionId: position.id,
      from,
      to,
      records,
      coverage: truth.coverage,
      reason: 'backfill',
      notes: [],
    })
    this.records += records.length
  }
}
