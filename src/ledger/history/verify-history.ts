import { positionKey } from '../../model/position.js'
import type { StoredPosition } from '../ledger-store.js'
import type { CoverageInterval } from '../../model/coverage.js'
import { countBlocks, cutRanges, intersectRanges, joinRanges } from './block-ranges.js'
import type { BlockRange } from './block-ranges.js'
import { checkSpan, confirmAll } from './check-span.js'
import type { CheckResult, CheckTarget } from './check-span.js'
import type { Difference } from './compare-records.js'
import type { HistoryScope } from './history-scope.js'
import { repairPositions } from './repair-positions.js'
import { repairRecords } from './repair-records.js'

/** Blocks that are checked at once. */
const SLICE_BLOCKS = 4096n
/** Differences that a report names one by one. */
const LISTED_MAX = 100

export interface VerifyProgress {
  readonly chainId: bigint
  readonly name: string
  /** Blocks. */
  readonly done: bigint
  readonly total: bigint
  readonly differences: number
}

export interface VerifyOptions {
  readonly positions: readonly StoredPosition[]
  /** Inclusive bounds. */
  readonly range: BlockRange
  /** Only tells; writes nothing. */
  readonly dryRun: boolean
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined
}

/** A difference with the position it was found in. */
export interface FoundDifference extends Difference {
  readonly position: StoredPosition
}

export interface VerifyReport {
  readonly chainId: bigint
  readonly name: string
  /** Blocks times positions that were searched again. */
  readonly checked: bigint
  readonly positions: number
  /** Stored records that were compared. */
  readonly records: number
  readonly missing: number
  readonly wrong: number
  readonly extra: number
  readonly repaired: number
  /** Positions of which the search could not prove that it found all changes. */
  readonly unproven: number
  /** Why positions could not be checked, by `positionKey`: the newest reason of each. */
  readonly unreadable: ReadonlyMap<string, string>
  /** The first ones, at most a hundred. */
  readonly differences: readonly FoundDifference[]
}

interface Interval extends CheckTarget {
  readonly range: BlockRange
}

/** Searches the blocks whose changes are said to be all recorded again, and compares. Repairs what differs. */
export async function verifyHistory(scope: HistoryScope, options: VerifyOptions): Promise<VerifyReport> {
  const intervals: Interval[] = []
  for (const position of options.positions) {
    // What grows by itself changes in every block: a search of it would read them all.
    if (position.accruing) continue
    for (const interval of await scope.store.coverage(position.id)) {
      const range = exactRange(interval, options.range, scope.cursor.number)
      if (range !== null) intervals.push({ position, since: interval.from, range })
    }
  }
  const wanted = joinRanges(intervals.map(({ range }) => range))
  const total = countBlocks(wanted)
  const tally = new Tally(scope, options)
  let done = 0n
  const progress = (): void =>
    options.onProgress?.({ chainId: scope.chainId, name: scope.name, done, total, differences: tally.found })
  progress()
  for (const slice of cutRanges(wanted, SLICE_BLOCKS)) {
    scope.signal?.throwIfAborted()
    // The block before belongs to the slice, too, so that a change in its first block is seen as one.
    const first = wanted.some(({ from }) => from === slice.from) ? slice.from : slice.from - 1n
    const span = { from: first, to: slice.to }
    const targets = intervals.filter(({ range }) => intersectRanges(range, slice) !== null)
    for (const to of cutPoints(targets, span)) {
      const part = targets.filter(({ range }) => endWithin(range, span) === to)
      const results = await checkSpan(scope, {
        targets: part,
        from: await scope.header(first),
        to: await scope.header(to),
      })
      for (const result of await confirmAll(scope, results)) await tally.take(result)
    }
    done += countBlocks([slice])
    progress()
  }
  return tally.report(intervals)
}

function exactRange(interval: CoverageInterval, range: BlockRange, cursor: bigint): BlockRange | null {
  if (interval.kind !== 'exact') return null
  return intersectRanges({ from: interval.from, to: interval.to ?? cursor }, range)
}

function endWithin(range: BlockRange, span: BlockRange): bigint {
  return range.to < span.to ? range.to : span.to
}

/** Most intervals reach to the end of the slice; those that end within it are checked up to their own end. */
function cutPoints(targets: readonly Interval[], span: BlockRange): readonly bigint[] {
  return [...new Set(targets.map(({ range }) => endWithin(range, span)))]
}

/** Counts, and repairs, what the checks find. */
class Tally {
  found = 0
  readonly #scope: HistoryScope
  readonly #dryRun: boolean
  readonly #counts = { missing: 0, wrong: 0, extra: 0 }
  readonly #listed: FoundDifference[] = []
  /** Positions of which some blocks were checked. */
  readonly #begun = new Set<bigint>()
  readonly #unproven = new Set<bigint>()
  readonly #unreadable = new Map<string, string>()
  #records = 0
  #repaired = 0

  constructor(scope: HistoryScope, { dryRun }: VerifyOptions) {
    this.#scope = scope
    this.#dryRun = dryRun
  }

  async take(result: CheckResult): Promise<void> {
    const { position, since } = result.target
    if (result.kind === 'unreadable') {
      this.#unreadable.set(positionKey(position), result.reason)
      return
    }
    this.#records += result.records
    if (result.truth.coverage !== 'exact') this.#unproven.add(position.id)
    const isFirst = result.truth.start.number === since
    const startDiffers = result.differences[0]?.block.number === result.truth.start.number
    // What was wrong at the end of the slice before has been told, and repaired unless nothing is to be written.
    const told = startDiffers && !isFirst && this.#begun.has(position.id)
    this.#begun.add(position.id)
    for (const difference of told ? result.differences.slice(1) : result.differences) this.#list(difference, position)
    if (this.#dryRun || result.differences.length === 0) return
    if (startDiffers && !isFirst) {
      const lookBack = { to: result.truth.start, reason: 'verify' } as const
      this.#repaired += await repairPositions(this.#scope, [{ position, since }], lookBack)
    }
    this.#repaired += await repairRecords(this.#scope, result, { reason: 'verify', isFirst })
  }

  #list(difference: Difference, position: StoredPosition): void {
    this.found += 1
    this.#counts[difference.kind] += 1
    if (this.#listed.length < LISTED_MAX) this.#listed.push({ ...difference, position })
  }

  report(intervals: readonly Interval[]): VerifyReport {
    return {
      chainId: this.#scope.chainId,
      name: this.#scope.name,
      checked: intervals.reduce((sum, { range }) => sum + countBlocks([range]), 0n),
      positions: new Set(intervals.map(({ position }) => position.id)).size,
      records: this.#records,
      ...this.#counts,
      repaired: this.#repaired,
      unproven: this.#unproven.size,
      unreadable: this.#unreadable,
      differences: this.#listed,
    }
  }
}
