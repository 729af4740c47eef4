import type { LoggedEvent } from '../model/event.js'
import type { BlockHeader, BlockRef, FinalityCursors } from '../model/block.js'
import type { BlockObservation, ChainEvent, SpanObservation } from '../model/chain-event.js'
import type { Logger } from '../model/logger.js'
import type { PositionStanding } from '../model/chain-report.js'
import { positionKey } from '../model/position.js'
import type { Hash } from '../model/position.js'
import { AccrualWatch } from './accrual-watch.js'
import { decideBlock } from './decide-block.js'
import { decideSpan } from './decide-span.js'
import { describeTokens } from './describe-tokens.js'
import type { HistoryContext } from './history/history-scope.js'
import type { HistorySource } from './history/history-source.js'
import { StoredBalanceError, doubtfulInBlock, doubtfulInSpan, proveStored } from './history/prove-stored.js'
import { syncLedger } from './history/sync-ledger.js'
import type { SyncReport } from './history/sync-ledger.js'
import { KEPT_HEADERS } from './ledger-store.js'
import type { BlockCommit, LedgerStore, StoredPosition } from './ledger-store.js'
import { planRollback } from './roll-back.js'

export interface ChainLedgerOptions {
  readonly chainId: bigint
  readonly name: string
  readonly store: LedgerStore
  /** Where defects are located. */
  readonly source: HistorySource
  readonly logger: Logger
  readonly signal?: AbortSignal | undefined
  /** Called when a repair may have appended events. */
  /** Called after a commit that logged events, with these where they are at hand. */
  readonly onCommitted?: ((events?: readonly LoggedEvent[]) => void) | undefined
}

/**
 * The ledger of one chain: takes chain events in order and commits each one.
 *
 * Invariant: what is held in memory (cursor, headers, last balances) is what the last commit made true. After a failed
 * commit the instance is thrown away and a new one is loaded.
 */
export class ChainLedger {
  readonly #chainId: bigint
  readonly #store: LedgerStore
  readonly #logger: Logger
  readonly #history: HistoryContext
  readonly #onCommitted: ChainLedgerOptions['onCommitted']
  #genesisHash: Hash | null
  #headers: BlockHeader[]
  #finality: FinalityCursors
  #positions = new Map<string, StoredPosition>()
  #outdated = true
  /** The remembered balances come from the store, and no block has confirmed them yet. */
  #unproven = true
  readonly #accruals = new AccrualWatch()

  private constructor(
    options: ChainLedgerOptions,
    stored: { genesisHash: Hash | null; headers: readonly BlockHeader[]; finality: FinalityCursors },
  ) {
    this.#chainId = options.chainId
    this.#store = options.store
    this.#logger = options.logger
    this.#history = options
    this.#onCommitted = options.onCommitted
    this.#genesisHash = stored.genesisHash
    this.#headers = [...stored.headers]
    this.#finality = stored.finality
  }

  static async load(options: ChainLedgerOptions): Promise<ChainLedger> {
    return new ChainLedger(options, await options.store.loadChain(options))
  }

  get genesisHash(): Hash | null {
    return this.#genesisHash
  }

  /** Canonical headers up to the cursor, oldest first. */
  get headers(): readonly BlockHeader[] {
    return this.#headers
  }

  /** The newest block whose balances are committed; undefined before the first start. */
  get cursor(): BlockHeader | undefined {
    return this.#headers.at(-1)
  }

  get finality(): FinalityCursors {
    return this.#finality
  }

  /** The watched positions, read again after `outdate()`. */
  async positions(): Promise<ReadonlyMap<string, StoredPosition>> {
    if (this.#outdated) {
      this.#outdated = false
      try {
        this.#positions = await this.#load()
      } catch (error) {
        this.#outdated = true
        throw error
      }
    }
    return this.#positions
  }

  /** How many positions are known in which way at the cursor, as far as they were read since they were loaded. */
  get standing(): PositionStanding {
    const standing = { exact: 0, sampled: 0, unseen: 0 }
    for (const { covered, accruing } of this.#positions.values()) {
      standing[covered ? (accruing ? 'sampled' : 'exact') : 'unseen'] += 1
    }
    return standing
  }

  knownBlocks(below: bigint, limit: number): Promise<readonly BlockRef[]> {
    return this.#store.knownBlocks(this.#chainId, below, limit)
  }

  /** Tells that the watch list changed: positions are read again before the next block. */
  outdate(): void {
    this.#outdated = true
  }

  /**
   * Compares what the chain answered at the cursor with what is stored, and puts right what differs.
   *
   * @param observation of the cursor's block, already applied
   */
  async sync(observation: BlockObservation): Promise<SyncReport> {
    const report = await syncLedger(this.#history, observation)
    if (report.defects > 0) this.#forget()
    return report
  }

  /**
   * Commits one chain event.
   *
   * @returns the number of records it wrote.
   */
  async apply(event: ChainEvent): Promise<number> {
    switch (event.kind) {
      case 'started':
        await this.#store.commitStart(this.#chainId, event.genesisHash, event.headers)
        this.#genesisHash = event.genesisHash
        this.#headers = [...event.headers]
        return 0
      case 'block':
        return this.#applyBlock(event.observation)
      case 'reorg':
        await this.#rollBack(event.ancestor)
        return 0
      case 'gap':
        await this.#store.commitGap({ ...event, chainId: this.#chainId, cursor: this.#cursorOrThrow() })
        this.#headers = [...event.headers]
        this.#forget()
        return 0
      case 'span':
        return this.#applySpan(event.span)
      case 'finality':
        await this.#store.commitFinality(this.#chainId, event.finality)
        this.#finality = event.finality
        return 0
    }
  }

  async #applyBlock(observation: BlockObservation): Promise<number> {
    const { header, finality, metadata } = observation
    if (this.#unproven) await this.#proveStored(doubtfulInBlock(this.#positions, observation))
    const { accruing, settled } = this.#accruals.observe(this.#positions, observation)
    const decision = decideBlock(this.#positions, observation, this.#accruals.sampledAtSeconds)
    const commit: BlockCommit = {
      chainId: this.#chainId,
      parent: this.cursor ?? null,
      header,
      finality,
      metadata,
      accruing,
      settled,
      ...decision,
      events: [...decision.events, ...describeTokens(this.#positions, { metadata, accruing, settled })],
    }
    const logged = await this.#store.commitBlock(commit)
    if (logged.length > 0) this.#onCommitted?.(logged)
    this.#headers.push(header)
    this.#trimHeaders()
    this.#finality = finality
    for (const token of accruing) {
      this.#logger.info({ token, block: header.number.toString() }, 'token grows by itself, its balances are sampled')
    }
    for (const token of settled) {
      this.#logger.info({ token, block: header.number.toString() }, 'token grows by itself no more')
    }
    this.#remember(commit)
    const [stale] = commit.stale
    if (stale !== undefined) {
      this.#logger.warn(
        { block: header.number.toString(), positions: commit.stale.length, reason: stale.reason },
        'balances could not be read, their last known values are shown as stale',
      )
    }
    this.#logger.debug(
      { block: header.number.toString(), records: commit.records.length, stale: commit.stale.length },
      'block committed',
    )
    return commit.records.length
  }

  /** @throws {StoredBalanceError} when a stored balance was wrong: it is right now, and the block is to be read again. */
  async #proveStored(doubtful: readonly StoredPosition[]): Promise<void> {
    const { cursor } = this
    if (cursor !== undefined) {
      const report = await proveStored(this.#history, { cursor, doubtful })
      if (report.defects > 0) {
        this.#forget()
        throw new StoredBalanceError(report)
      }
    }
    this.#unproven = false
  }

  async #applySpan(span: SpanObservation): Promise<number> {
    const { target, headers, finality } = span
    const parent = this.#cursorOrThrow()
    if (this.#unproven) await this.#proveStored(doubtfulInSpan(this.#positions, span, parent))
    const sampledAtSeconds = this.#accruals.sampledAtSeconds
    const decision = decideSpan({ positions: this.#positions, parent, sampledAtSeconds }, span)
    const byId = new Map([...this.#positions].map(([key, position]) => [position.id, { key, position }]))
    // Where every block is known already and goes on to be, there is nothing to write.
    const coverage = new Map(
      [...decision.coverage].filter(([id, kind]) => kind === 'sampled' || byId.get(id)?.position.covered !== true),
    )
    await this.#store.commitSpan({ chainId: this.#chainId, parent, headers, finality, ...decision, coverage })
    this.#headers = headers[0]?.parentHash === parent.hash ? [...this.#headers, ...headers] : [...headers]
    this.#trimHeaders()
    this.#finality = finality
    const update = (id: bigint, change: Partial<StoredPosition>): void => {
      const known = byId.get(id)
      if (known === undefined) return
      known.position = { ...known.position, ...change }
      this.#positions.set(known.key, known.position)
    }
    for (const { positionId, balance, block } of decision.records) {
      update(positionId, { lastBalance: balance })
      const position = byId.get(positionId)?.position
      if (position !== undefined) this.#accruals.recorded(position, block.timestampSeconds)
    }
    for (const id of coverage.keys()) update(id, { covered: true, fresh: false, staleReason: null })
    for (const { positionId, reason } of decision.stale) update(positionId, { covered: false, staleReason: reason })
    this.#logger.info(
      {
        from: (parent.number + 1n).toString(),
        to: target.number.toString(),
        records: decision.records.length,
        sampled: [...decision.coverage.values()].filter((kind) => kind === 'sampled').length,
        stale: decision.stale.length,
      },
      'missed blocks caught up',
    )
    return decision.records.length
  }

  async #rollBack(ancestor: BlockHeader): Promise<void> {
    const cursor = this.#cursorOrThrow()
    const chainId = this.#chainId
    const plan = await this.#store.commitRollback({ chainId, cursor, ancestor }, (records) =>
      planRollback(records, chainId, ancestor),
    )
    const kept = this.#headers.filter((header) => header.number <= ancestor.number)
    // A reorganisation deeper than the kept headers leaves none of them: the ancestor is where it goes on.
    this.#headers = kept.length > 0 ? kept : [ancestor]
    this.#accruals.rollBack(ancestor.timestampSeconds)
    this.#forget()
    this.#logger.warn(
      {
        from: cursor.number.toString(),
        ancestor: ancestor.number.toString(),
        depth: Number(cursor.number - ancestor.number),
        positions: plan.standing.size,
      },
      'chain reorganised, records above the common ancestor taken back',
    )
  }

  /** What was remembered is no longer true: everything is read from the store again. */
  #forget(): void {
    this.#positions = new Map()
    this.#outdated = true
  }

  #trimHeaders(): void {
    if (this.#headers.length > 2 * KEPT_HEADERS) this.#headers = this.#headers.slice(-KEPT_HEADERS)
  }

  /** Brings the remembered positions to what the commit stored. */
  #remember(commit: BlockCommit): void {
    if (
      commit.records.length +
        commit.opened.length +
        commit.stale.length +
        commit.metadata.size +
        commit.accruing.length +
        commit.settled.length ===
      0
    )
      return
    const byId = new Map([...this.#positions].map(([key, position]) => [position.id, key]))
    const update = (id: bigint, change: Partial<StoredPosition>): void => {
      const key = byId.get(id)
      const position = key === undefined ? undefined : this.#positions.get(key)
      if (key !== undefined && position !== undefined) this.#positions.set(key, { ...position, ...change })
    }
    for (const { positionId, balance, metadata } of commit.records) {
      update(positionId, { lastBalance: balance, metadata })
      const position = this.#positions.get(byId.get(positionId) ?? '')
      if (position !== undefined) this.#accruals.recorded(position, commit.header.timestampSeconds)
    }
    for (const id of commit.opened) update(id, { covered: true, fresh: false, staleReason: null })
    for (const { positionId, reason } of commit.stale) update(positionId, { covered: false, staleReason: reason })
    if (commit.metadata.size + commit.accruing.length + commit.settled.length > 0) this.#outdated = true
  }

  async #load(): Promise<Map<string, StoredPosition>> {
    this.#unproven = true
    const positions = await this.#store.loadPositions(this.#chainId)
    return new Map(positions.map((position) => [positionKey(position), position]))
  }

  #cursorOrThrow(): BlockHeader {
    const cursor = this.cursor
    if (cursor === undefined) throw new Error('invariant: a chain event before the chain was started')
    return cursor
  }
}
