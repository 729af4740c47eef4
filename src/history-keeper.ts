import { bindHistorySource } from './bind-history-source.js'
import { proveNativeBalance } from './chain/proof/prove-native-balance.js'
import type { NodeTransport } from './chain/rpc/node-transport.js'
import { RpcClient } from './chain/rpc/rpc-client.js'
import { BlockUnavailableError } from './chain/rpc/rpc-errors.js'
import type { ChainConfig } from './config/config.js'
import { announceHistory } from './ledger/history/announce-history.js'
import { fillHistory } from './ledger/history/fill-history.js'
import type { FillProgress, FillReport } from './ledger/history/fill-history.js'
import { findBlockAt } from './ledger/history/find-block.js'
import { proveRecords } from './ledger/history/prove-records.js'
import type { ProofReport, ProveBalance, ProveProgress } from './ledger/history/prove-records.js'
import { openScope } from './ledger/history/history-scope.js'
import type { HistoryScope } from './ledger/history/history-scope.js'
import { sampleOf, selectPositions } from './ledger/history/select-positions.js'
import { verifyHistory } from './ledger/history/verify-history.js'
import type { VerifyProgress, VerifyReport } from './ledger/history/verify-history.js'
import { CursorMovedError } from './ledger/ledger-store.js'
import type { LedgerStore } from './ledger/ledger-store.js'
import type { Address } from './model/address.js'
import type { Clock } from './model/clock.js'
import type { Logger } from './model/logger.js'
import type { Token } from './model/position.js'

/** Tries of one chain, each of which was overtaken by a reorganisation. */
const ATTEMPTS_MAX = 5
/** How long those who follow the chain get to notice a reorganisation; longer with each attempt. */
const REORG_WAIT_MS = 1500

/** Which part of the history is meant. Bounds are inclusive; without an upper one it is the newest processed block. */
export interface HistorySelection {
  /** Every configured chain when absent. Block numbers mean something only for one chain. */
  readonly chainId?: bigint | undefined
  readonly token?: Token | undefined
  readonly solver?: Address | undefined
  readonly fromBlock?: bigint | undefined
  readonly toBlock?: bigint | undefined
  readonly fromTime?: Date | undefined
  readonly signal?: AbortSignal | undefined
}

export interface BackfillOptions extends HistorySelection {
  readonly onProgress?: ((progress: FillProgress) => void) | undefined
}

export interface VerifyHistoryOptions extends HistorySelection {
  /** Checks only so many positions of each chain, drawn by lot. */
  readonly sample?: number | undefined
  /** Only tells what is wrong; repairs nothing. */
  readonly dryRun?: boolean | undefined
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined
}

export interface ProveHistoryOptions extends HistorySelection {
  /** Proves only the records of so many wallets of each chain, drawn by lot. */
  readonly sample?: number | undefined
  readonly onProgress?: ((progress: ProveProgress) => void) | undefined
}

export interface HistoryKeeperOptions {
  readonly chains: readonly ChainConfig[]
  readonly store: LedgerStore
  readonly clock: Clock
  readonly transport: NodeTransport
  readonly logger: Logger
  /** Called when events may have been appended. */
  readonly onCommitted?: (() => void) | undefined
}

interface RunSelection extends HistorySelection {
  /** Whether positions that are not watched any more are meant, too. */
  readonly inactive?: boolean | undefined
}

interface ChainRun {
  readonly chain: ChainConfig
  readonly selection: RunSelection
  readonly signal: AbortSignal
}

/**
 * Works on what is past, beside whoever follows the chains, in this process or another one: every piece is stored in a
 * transaction that is refused when a reorganisation came between.
 */
export class HistoryKeeper {
  readonly #options: HistoryKeeperOptions
  readonly #abort = new AbortController()
  readonly #running = new Set<Promise<unknown>>()

  constructor(options: HistoryKeeperOptions) {
    this.#options = options
  }

  /** Fills in what is not known exactly, chain after chain, from the newest block back. */
  backfill(options: BackfillOptions): Promise<readonly FillReport[]> {
    return this.#run(options, async (scope, from) => {
      const range = { from, to: options.toBlock ?? scope.cursor.number }
      const positions = selectPositions(scope.positions, options)
      return fillHistory(scope, { positions, range, onProgress: options.onProgress })
    })
  }

  /** Searches what is known exactly once more, compares it with the records, and repairs them. */
  verify(options: VerifyHistoryOptions): Promise<readonly VerifyReport[]> {
    const { sample, dryRun = false, onProgress } = options
    return this.#run(withInactive(options), async (scope, from) => {
      const range = { from, to: options.toBlock ?? scope.cursor.number }
      const selected = selectPositions(scope.positions, options)
      const positions = sample === undefined ? selected : sampleOf(selected, sample, this.#options.clock)
      return verifyHistory(scope, { positions, range, dryRun, onProgress })
    })
  }

  /** Checks stored native balances against Merkle proofs, where an endpoint serves them. Changes nothing. */
  prove(options: ProveHistoryOptions): Promise<readonly ProofReport[]> {
    const { sample, onProgress } = options
    return this.#run(withInactive(options), async (scope, from, client) => {
      const range = { from, to: options.toBlock ?? scope.cursor.number }
      const selected = selectPositions(scope.positions, { ...options, token: 'native' })
      const positions = sample === undefined ? selected : sampleOf(selected, sample, this.#options.clock)
      const prove: ProveBalance = (block, wallet) => proveNativeBalance(client, block, wallet)
      return proveRecords(scope, { positions, range, prove, onProgress })
    })
  }

  /** Breaks off what is under way; what it stored stays. */
  async close(): Promise<void> {
    this.#abort.abort()
    await Promise.allSettled(this.#running)
  }

  async #run<Report>(
    selection: RunSelection,
    work: (scope: HistoryScope, from: bigint, client: RpcClient) => Promise<Report>,
  ): Promise<readonly Report[]> {
    const signals = [this.#abort.signal, ...(selection.signal === undefined ? [] : [selection.signal])]
    const signal = AbortSignal.any(signals)
    const task = this.#runChains(selection, work, signal)
    this.#running.add(task)
    try {
      return await task
    } finally {
      this.#running.delete(task)
    }
  }

  async #runChains<Report>(
    selection: RunSelection,
    work: (scope: HistoryScope, from: bigint, client: RpcClient) => Promise<Report>,
    signal: AbortSignal,
  ): Promise<readonly Report[]> {
    const reports: Report[] = []
    for (const chain of this.#options.chains) {
      if (selection.chainId !== undefined && selection.chainId !== chain.chainId) continue
      try {
        reports.push(await this.#runChain({ chain, selection, signal }, work))
      } finally {
        const { store, logger, onCommitted } = this.#options
        await announceHistory({ store, chainId: chain.chainId, logger, onCommitted })
      }
    }
    return reports
  }

  /** A reorganisation that came between makes what was found out of date: the work goes on from what is stored. */
  async #runChain<Report>(
    { chain, selection, signal }: ChainRun,
    work: (scope: HistoryScope, from: bigint, client: RpcClient) => Promise<Report>,
  ): Promise<Report> {
    const { fromBlock, fromTime, inactive } = selection
    for (let attempt = 1; ; attempt += 1) {
      const ended = new AbortController()
      const { scope, client } = await this.#open(chain, AbortSignal.any([signal, ended.signal]), inactive)
      try {
        const from = fromTime === undefined ? fromBlock : await findBlockAt(scope, fromTime, scope.cursor.number)
        return await work(scope, from ?? 0n, client)
      } catch (error) {
        const moved = error instanceof CursorMovedError || error instanceof BlockUnavailableError
        if (!moved || attempt === ATTEMPTS_MAX) throw error
        scope.logger.info({ attempt }, 'the chain was reorganised meanwhile, going on from what is stored')
        // Whoever follows the chain takes the old branch back; until then its blocks are not to be had.
        if (error instanceof BlockUnavailableError) await this.#options.clock.sleep(REORG_WAIT_MS * attempt, signal)
      } finally {
        ended.abort()
      }
    }
  }

  /** With a client of its own, so that what it learns and how often it asks is no matter of those who follow the chain. */
  async #open(
    chain: ChainConfig,
    signal: AbortSignal,
    inactive: boolean | undefined,
  ): Promise<{ scope: HistoryScope; client: RpcClient }> {
    const { store, clock, transport, onCommitted } = this.#options
    const { chainId, name } = chain
    const logger = this.#options.logger.child({ component: 'history', chainId: chainId.toString() })
    const client = new RpcClient({ chainId, urls: chain.rpcUrls, clock, transport, logger, signal })
    const source = bindHistorySource(client, logger)
    const scope = await openScope({ chainId, name, store, source, logger, signal, onCommitted, inactive })
    return { scope, client }
  }
}

/** A token or wallet that is named is meant even when it is not watched any more: its history stays. */
function withInactive(selection: HistorySelection): RunSelection {
  return { ...selection, inactive: selection.token !== undefined || selection.solver !== undefined }
}
