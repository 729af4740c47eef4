import type { Address } from '../../model/address.js'
import type { BalanceProof } from '../../model/balance-proof.js'
import type { BlockRef } from '../../model/block.js'
import type { StoredPosition, StoredRecord } from '../ledger-store.js'
import type { BlockRange } from './block-ranges.js'
import type { HistoryScope } from './history-scope.js'

/** Records of one position that are read at once. */
const RECORDS_PAGE = 500
/** Proofs that contradict a record, named one by one. */
const LISTED_MAX = 100

export type ProveBalance = (block: BlockRef, wallet: Address) => Promise<BalanceProof>

export interface ProveProgress {
  readonly chainId: bigint
  readonly name: string
  /** Positions. */
  readonly done: number
  readonly total: number
  readonly proven: number
}

export interface ProveRecordsOptions {
  /** Those of tokens are passed over: their balances are in the contract's storage, in a place of its own. */
  readonly positions: readonly StoredPosition[]
  /** Inclusive bounds. */
  readonly range: BlockRange
  readonly prove: ProveBalance
  readonly onProgress?: ((progress: ProveProgress) => void) | undefined
}

/** A record that a proof contradicts, or whose proof does not fit its block. */
export interface Contradiction {
  readonly position: StoredPosition
  readonly block: BlockRef
  readonly stored: bigint
  /** What the block's hash commits to; null when the proof itself is not sound. */
  readonly proven: bigint | null
  readonly reason: string
}

export interface ProofReport {
  readonly chainId: bigint
  readonly name: string
  readonly positions: number
  /** Records whose balance the block's hash commits to. */
  readonly proven: number
  /** The first ones, at most a hundred. */
  readonly contradictions: readonly Contradiction[]
  readonly contradicted: number
  /** How many records could not be proven, by the reason. */
  readonly unprovable: ReadonlyMap<string, number>
}

/** Checks the stored native balances against Merkle proofs, record by record. It changes nothing. */
export async function proveRecords(scope: HistoryScope, options: ProveRecordsOptions): Promise<ProofReport> {
  const positions = options.positions.filter(({ token }) => token === 'native')
  const tally = new ProofTally()
  for (const [done, position] of positions.entries()) {
    options.onProgress?.({
      chainId: scope.chainId,
      name: scope.name,
      done,
      total: positions.length,
      proven: tally.proven,
    })
    for await (const record of recordsOf(scope, position, options.range)) {
      scope.signal?.throwIfAborted()
      const block = { number: record.blockNumber, hash: record.blockHash }
      tally.take({ position, block, stored: record.balance }, await options.prove(block, position.solver))
    }
  }
  const { proven, contradictions, contradicted, unprovable } = tally
  return {
    chainId: scope.chainId,
    name: scope.name,
    positions: positions.length,
    proven,
    contradictions,
    contradicted,
    unprovable,
  }
}

class ProofTally {
  proven = 0
  contradicted = 0
  readonly contradictions: Contradiction[] = []
  readonly unprovable = new Map<string, number>()

  take(record: Pick<Contradiction, 'position' | 'block' | 'stored'>, proof: BalanceProof): void {
    switch (proof.kind) {
      case 'proven':
        if (proof.balance === record.stored) this.proven += 1
        else
          this.#contradict({ ...record, proven: proof.balance, reason: 'the block’s hash commits to another balance' })
        return
      case 'refuted':
        this.#contradict({ ...record, proven: null, reason: proof.reason })
        return
      case 'unprovable':
        this.unprovable.set(proof.reason, (this.unprovable.get(proof.reason) ?? 0) + 1)
        return
    }
  }

  #contradict(contradiction: Contradiction): void {
    this.contradicted += 1
    if (this.contradictions.length < LISTED_MAX) this.contradictions.push(contradiction)
  }
}

async function* recordsOf(
  { store }: HistoryScope,
  position: StoredPosition,
  { from, to }: BlockRange,
): AsyncGenerator<StoredRecord> {
  for (let next = from; next <= to;) {
    const page = await store.recordsBetween(position.id, { from: next, to, limit: RECORDS_PAGE })
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < RECORDS_PAGE) return
    next = last.blockNumber + 1n
  }
}
