import type { BlockHeader, FinalityCursors } from '../model/block.js'
import type {
  Attribution,
  BalanceReading,
  BlockObservation,
  ChainEvent,
  WatchedPosition,
} from '../model/chain-event.js'
import type { Clock } from '../model/clock.js'
import { messageOf } from '../model/errors.js'
import type { Logger } from '../model/logger.js'
import { positionKey } from '../model/position.js'
import type { TokenMetadata } from '../model/token-metadata.js'
import { attributeChanges } from './balances/attribute.js'
import type { BalanceChange } from './balances/balance-change.js'
import { fetchBlockPapers } from './balances/fetch-activity.js'
import type { BlockPapers } from './balances/fetch-activity.js'
import { readVoice } from './balances/read-balances.js'
import { agree, placesToAvoid, weighReadings } from './balances/weigh-readings.js'
import type { ChainStatus } from './chain-status.js'
import type { ChainView } from './chain-view.js'
import { checkGenesis } from './head/check-genesis.js'
import { fetchFinality } from './head/fetch-finality.js'
import { fetchHeadersByNumber } from './head/fetch-headers.js'
import type { HeadSource } from './head/head-source.js'
import { stepTowards } from './head/step-towards.js'
import { oldestServed } from './history/find-served.js'
import { DENSE_BLOCKS_MAX, SLICE_BLOCKS, searchSlice } from './history/search-slice.js'
import { MetadataReader } from './balances/metadata-reader.js'
import type { RpcClient } from './rpc/rpc-client.js'
import { BlockUnavailableError, MalformedAnswerError, StateUnavailableError } from './rpc/rpc-errors.js'

/** Headers stored at the first start, so that a reorganisation of the first blocks can be linked. */
const FIRST_HEADERS = 64n
/** Missed blocks that are searched; beyond that the gap is declared and history goes on at the head. */
export const CATCH_UP_BLOCKS_MAX = 20_000n
/** So few missed blocks are read one by one, like those that are not missed. */
const EXTEND_BLOCKS_MAX = 8n
/** A long search ends so far below the head that the blocks after it can be linked, and are searched densely. */
const NEAR_HEAD_BLOCKS = 64n
const FINALITY_INTERVAL_MS = 12_000
/** After so many blocks in a row that changed a balance, the next one is expected to. */
const BUSY_BLOCKS = 2
/** A block waits so long at most to learn what moved its balances; then the cause is unknown. */
const ATTRIBUTION_TIMEOUT_MS = 2000
/** Readings of one block that may differ before its endpoint is given up for the moment. */
const READING_ROUNDS_MAX = 4
/** On slow chains finality is asked for every so many blocks, to keep the requests per block few. */
const FINALITY_BLOCKS = 16

/** So far above the oldest state a search begins: nodes throw away one more with each new block. */
const LASTING_BLOCKS = 8n
/** Blocks whose state every node keeps. */
const RECENT_BLOCKS = 128n

export interface WatchChainOptions {
  readonly client: RpcClient
  readonly heads: HeadSource
  readonly view: ChainView
  readonly status: ChainStatus
  readonly clock: Clock
  /** Metadata of the chain's own currency, from the chain registry. */
  readonly nativeMetadata: TokenMetadata
  readonly logger: Logger
}

/**
 * Follows one chain for ever and reports what happened, one event at a time and in order: the first headers, every
 * block with all balances read at its hash, and reorganisations.
 *
 * The consumer commits each event before it asks for the next, so the view always shows the committed state. An error
 * ends the generator; a new one goes on from the view.
 */
export async function* watchChain(options: WatchChainOptions): AsyncGenerator<ChainEvent, never> {
  const watch = new ChainWatch(options)
  const genesisHash = await checkGenesis(options.client, options.view.genesisHash)
  if (options.view.headers.length === 0) yield await watch.start(genesisHash)
  for (;;) {
    const head = await options.heads.next()
    await watch.confirmLeap(head)
    options.status.sawHead(head)
    try {
      yield* watch.advanceTo(head)
    } catch (error) {
      if (error instanceof BlockUnavailableError) await options.heads.doubt(head)
      throw error
    }
    const finality = await watch.refreshFinality()
    if (finality !== null) yield { kind: 'finality', finality }
  }
}

class ChainWatch {
  readonly #options: WatchChainOptions
  readonly #metadata: MetadataReader
  #finalityAtMs = Number.NEGATIVE_INFINITY
  /** Blocks in a row that changed a balance. */
  #busyBlocks = 0

  constructor(options: WatchChainOptions) {
    this.#options = options
    this.#metadata = new MetadataReader(options.client, options.nativeMetadata, options.logger)
  }

  /** The headers below the present head: the head itself is the first block to be read. */
  async start(genesisHash: ChainView['genesisHash']): Promise<ChainEvent> {
    const { client, heads } = this.#options
    const head = await heads.next()
    await heads.confirm(head, false)
    heads.again(head)
    return { kind: 'started', genesisHash, headers: await this.#headersBelow(client, head) }
  }

  /** A head that is not reached block by block must be shown under its number, and by most before a gap is declared. */
  async confirmLeap(head: BlockHeader): Promise<void> {
    const { heads, view } = this.#options
    const cursor = view.headers.at(-1)
    if (cursor === undefined || head.number - cursor.number <= EXTEND_BLOCKS_MAX) return
    await heads.confirm(head, head.number - cursor.number > CATCH_UP_BLOCKS_MAX)
  }

  async *advanceTo(head: BlockHeader): AsyncGenerator<ChainEvent> {
    const { view, status } = this.#options
    for (;;) {
      const cursor = view.headers.at(-1)
      if (cursor !== undefined && head.number - cursor.number > CATCH_UP_BLOCKS_MAX) {
        const reason = `blocks ${cursor.number + 1n} to ${head.number - 1n} passed while Tidemark was away`
        yield await this.#gap({ cursor, resumeAt: head, reason })
        continue
      }
      if (cursor !== undefined && head.number - cursor.number > EXTEND_BLOCKS_MAX) {
        // A block at the tip is read by itself: a node may answer for it out of the next one's state.
        const event = await this.#catchUp(cursor, head)
        yield event
        // After a gap the first block is read by itself: the state of the one before it may be gone.
        if (event.kind === 'gap') yield await this.#observe(event.resumeAt)
        const reached = view.headers.at(-1)
        if (reached !== undefined) status.processed(reached)
        continue
      }
      const step = await stepTowards(head, this.#options)
      switch (step.kind) {
        case 'none':
          status.caughtUp()
          return
        case 'reorg':
          yield { kind: 'reorg', ancestor: step.ancestor, orphaned: step.orphaned }
          status.processed(step.ancestor)
          break
        case 'extend':
          yield* this.#extend(step.headers, head)
          break
      }
    }
  }

  /** One step of making up for missed blocks: a span of them, unless the cursor was reorganised or their state is gone. */
  async #catchUp(cursor: BlockHeader, head: BlockHeader): Promise<ChainEvent> {
    const reorg = await this.#settle(cursor)
    if (reorg !== null) return reorg
    const { client, heads, view, logger } = this.#options
    const number = spanEnd(cursor.number, head.number)
    const [target] = await heads.byNumber(number, 1)
    if (target === undefined) throw new BlockUnavailableError(`the node does not have block ${number}`)
    const watched = [...(await view.positions()).values()]
    const positions = watched.map((position) => ({
      ...position,
      balance: position.covered ? position.lastBalance : null,
    }))
    try {
      // Far from the head a reorganisation is found by the stored hashes; close to it, by linked headers.
      const linked = number === head.number - 1n
      const slice = await searchSlice({ client, logger }, { from: cursor, to: target, positions, linked })
      return { kind: 'span', span: { target, ...slice, finality: view.finality } }
    } catch (error) {
      if (!(await this.#isStateGone(error, { cursor, target, head }))) throw error
      const resumeAt = await this.#oldestLasting(cursor, head)
      const last = resumeAt.number - 1n
      const reason = `no endpoint has the state of blocks ${cursor.number + 1n} to ${last} any more`
      return this.#gap({ cursor, resumeAt, reason })
    }
  }

  /** The oldest block whose state is there, and will be while it is read; the head where there is none. */
  async #oldestLasting(cursor: BlockHeader, head: BlockHeader): Promise<BlockHeader> {
    const { client, heads, logger } = this.#options
    const oldest = await oldestServed(client, { low: cursor.number, to: head, logger })
    if (oldest === null || oldest.number + LASTING_BLOCKS >= head.number) return head
    const [lasting] = await heads.byNumber(oldest.number + LASTING_BLOCKS, 1)
    return lasting ?? head
  }

  /** Some nodes say of a block whose state they threw away that they do not know it, and list it as canonical still. */
  async #isStateGone(
    error: unknown,
    {
      cursor,
      target,
      head,
    }: { readonly cursor: BlockHeader; readonly target: BlockHeader; readonly head: BlockHeader },
  ): Promise<boolean> {
    if (error instanceof StateUnavailableError) return true
    if (!(error instanceof BlockUnavailableError) || head.number - cursor.number <= RECENT_BLOCKS) return false
    const [present] = await this.#options.heads.byNumber(target.number, 1)
    return present?.hash === target.hash && (await this.#settle(cursor)) === null
  }

  /** Finality is asked for now and then: it moves by minutes, and costs two requests. */
  async refreshFinality(): Promise<FinalityCursors | null> {
    const intervalMs = Math.max(FINALITY_INTERVAL_MS, FINALITY_BLOCKS * this.#options.heads.blockTimeMs)
    if (this.#options.clock.monotonicMs() - this.#finalityAtMs < intervalMs) return null
    this.#finalityAtMs = this.#options.clock.monotonicMs()
    const { client, view, logger } = this.#options
    try {
      const finality = newest(view.finality, await fetchFinality(client))
      const known = view.finality
      return finality.safe === known.safe && finality.finalized === known.finalized ? null : finality
    } catch (error) {
      if (client.signal.aborted) throw error
      logger.info({ error: messageOf(error) }, 'finality could not be read')
      return null
    }
  }

  /** Whether the cursor still is canonical, for a head that lies too far ahead to be linked. */
  async #settle(cursor: BlockHeader): Promise<Extract<ChainEvent, { kind: 'reorg' }> | null> {
    const { heads } = this.#options
    const [present] = await heads.byNumber(cursor.number, 1)
    if (present === undefined) throw new BlockUnavailableError(`the node does not have block ${cursor.number}`)
    if (present.hash === cursor.hash) return null
    const step = await stepTowards(present, this.#options)
    if (step.kind === 'reorg') return { kind: 'reorg', ancestor: step.ancestor, orphaned: step.orphaned }
    throw new BlockUnavailableError(`the endpoints do not agree whether block ${cursor.number} is ${cursor.hash}`)
  }

  async *#extend(headers: readonly BlockHeader[], head: BlockHeader): AsyncGenerator<ChainEvent> {
    for (const header of headers) {
      try {
        yield await this.#observe(header)
      } catch (error) {
        // Only old blocks lose their state. At the head it is the endpoint's trouble, and passes.
        if (!(error instanceof StateUnavailableError) || header.hash === head.hash) throw error
        const cursor = this.#options.view.headers.at(-1)
        if (cursor === undefined) throw error
        const reason = `no endpoint has the state of block ${header.number} any more`
        yield await this.#gap({ cursor, resumeAt: head, reason })
        return
      }
      this.#options.status.processed(header)
    }
  }

  async #observe(header: BlockHeader): Promise<ChainEvent> {
    const { view } = this.#options
    const watched = [...(await view.positions()).values()]
    const metadata = await this.#metadata.read(header, watched)
    const confirmed = await this.#readConfirmed(header, watched)
    return { kind: 'block', observation: { header, ...confirmed, metadata, finality: view.finality } }
  }

  /**
   * Reads until what was read is confirmed: by the block's own transactions, which add up to every change, or by a
   * second reading that agrees, of another endpoint where there is one; where two contradict each other, by most. A node
   * may answer a call that overlaps the arrival of the next block out of that block's state, and still echo the number
   * that was asked for; anvil does.
   */
  async #readConfirmed(
    header: BlockHeader,
    watched: readonly WatchedPosition[],
  ): Promise<Pick<BlockObservation, 'readings' | 'attributions'>> {
    const { client, logger } = this.#options
    if (watched.length === 0) return { readings: [], attributions: new Map() }
    const ahead = this.#busyBlocks >= BUSY_BLOCKS ? this.#fetchAhead(header) : null
    const first = await readVoice(client, header, watched, { logger, avoid: new Set() })
    const voices = [first]
    let { readings } = first
    this.#busyBlocks = changesOf(watched, readings).length === 0 ? 0 : this.#busyBlocks + 1
    let attributions = await this.#attribute(header, changesOf(watched, readings), ahead)
    for (let round = 1; round <= READING_ROUNDS_MAX + client.size; round += 1) {
      const verdict = weighReadings(voices, explainsAll(watched, readings, attributions))
      if (verdict === 'confirmed') {
        // The endpoint in use was outvoted: it would be in every block.
        if (voices.length > 2 && weighReadings([...voices, first], false) === 'contradicted') client.turnAway()
        return { readings, attributions }
      }
      const again = await readVoice(client, header, watched, { logger, avoid: placesToAvoid(voices, client.size) })
      voices.push(again)
      if (agree(readings, again.readings)) continue
      logger.warn({ block: header.number.toString(), round }, 'two readings of one block differ, reading it again')
      readings = again.readings
      attributions = await this.#attribute(header, changesOf(watched, readings), ahead)
    }
    throw new MalformedAnswerError(`block ${header.number}: the endpoints do not agree on its balances`)
  }

  /** Where every block changes something, its transactions are asked for beside its balances: that saves a round trip. */
  #fetchAhead(header: BlockHeader): Promise<BlockPapers> {
    const papers = fetchBlockPapers(this.#options.client, header, { timeoutMs: ATTRIBUTION_TIMEOUT_MS })
    // Nobody may come to wait for them.
    papers.catch(() => undefined)
    return papers
  }

  /** A change is recorded even when its transactions cannot be found out. */
  async #attribute(
    header: BlockHeader,
    changes: readonly BalanceChange[],
    ahead: Promise<BlockPapers> | null,
  ): Promise<ReadonlyMap<string, Attribution>> {
    const { client, logger } = this.#options
    if (changes.length === 0) return new Map()
    try {
      return await attributeChanges(client, header, changes, { timeoutMs: ATTRIBUTION_TIMEOUT_MS, ahead })
    } catch (error) {
      if (client.signal.aborted) throw error
      logger.warn(
        { block: header.number.toString(), error: messageOf(error) },
        'transactions of a change could not be found',
      )
      return new Map()
    }
  }

  /**
   * Goes on at a later block. Whether the cursor is canonical is looked at last: the blocks between are not linked, and the
   * records of another branch would stay below the gap for good.
   */
  async #gap({
    cursor,
    resumeAt,
    reason,
  }: {
    readonly cursor: BlockHeader
    readonly resumeAt: BlockHeader
    readonly reason: string
  }): Promise<ChainEvent> {
    const headers = await this.#headersBelow(this.#options.client, resumeAt)
    const reorg = await this.#settle(cursor)
    if (reorg !== null) return reorg
    this.#options.logger.warn({ resumeAt: resumeAt.number.toString(), reason }, 'gap in the history')
    return { kind: 'gap', resumeAt, headers, reason }
  }

  /** Up to 64 linked headers that end with the head's parent; none for a chain that has only its first block. */
  async #headersBelow(client: RpcClient, head: BlockHeader): Promise<readonly BlockHeader[]> {
    const first = head.number > FIRST_HEADERS ? head.number - FIRST_HEADERS : 0n
    const headers = await fetchHeadersByNumber(client, first, Number(head.number - first))
    return linkedSuffix(headers, head)
  }
}

/** Far from the head a whole slice, else up to the block before the head. */
function spanEnd(cursor: bigint, head: bigint): bigint {
  if (head - 1n - cursor <= DENSE_BLOCKS_MAX) return head - 1n
  const slice = cursor + SLICE_BLOCKS
  return slice < head - NEAR_HEAD_BLOCKS ? slice : head - NEAR_HEAD_BLOCKS
}

/** Nodes do not always have the older headers, and a reorganisation may fall between two answers. */
function linkedSuffix(headers: readonly BlockHeader[], head: BlockHeader): BlockHeader[] {
  const linked: BlockHeader[] = []
  let child = head
  for (const header of headers.toReversed()) {
    if (header.hash !== child.parentHash) break
    linked.unshift(header)
    child = header
  }
  return linked
}

/** Finality only moves on: an endpoint that lags, or cannot tell, takes nothing back. */
function newest(known: FinalityCursors, read: FinalityCursors): FinalityCursors {
  const later = (a: bigint | null, b: bigint | null): bigint | null => (a === null || (b !== null && b > a) ? b : a)
  return { safe: later(known.safe, read.safe), finalized: later(known.finalized, read.finalized) }
}

/**
 * Whether every balance that was read is the known one, or differs from it by what the block's transactions moved. What
 * grows by itself is never explained, and is only sampled.
 *
 * @param readings one for each watched position, in order
 */
function explainsAll(
  watched: readonly WatchedPosition[],
  readings: readonly BalanceReading[],
  attributions: ReadonlyMap<string, Attribution>,
): boolean {
  return watched.every((position, index) => {
    const reading = readings[index]
    if (reading === undefined || reading.kind === 'failed' || position.lastBalance === reading.balance) return true
    return position.accruing || attributions.get(positionKey(position))?.unexplained === 0n
  })
}

/** @param readings one for each watched position, in order */
function changesOf(watched: readonly WatchedPosition[], readings: readonly BalanceReading[]): readonly BalanceChange[] {
  const changes: BalanceChange[] = []
  for (const [index, { lastBalance }] of watched.entries()) {
    const reading = readings[index]
    if (reading === undefined || reading.kind === 'failed' || lastBalance === null) continue
    if (lastBalance !== reading.balance) {
      changes.push({ position: reading.position, delta: reading.balance - lastBalance })
    }
  }
  return changes
}
