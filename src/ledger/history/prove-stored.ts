import type { BlockHeader } from '../../model/block.js'
import type { BlockObservation } from '../../model/chain-event.js'
import { RetryableError, messageOf } from '../../model/errors.js'
import { positionKey } from '../../model/position.js'
import type { StoredPosition } from '../ledger-store.js'
import type { HistoryContext } from './history-scope.js'
import { syncLedger } from './sync-ledger.js'
import type { SyncReport } from './sync-ledger.js'

/** A stored balance was not what the chain held at its block. It was put right; what was built on it is read again. */
export class StoredBalanceError extends RetryableError {
  readonly code = 'stored_balance_wrong'
  readonly report: SyncReport

  constructor(report: SyncReport) {
    super(`expected ${report.positions} stored balances to be what the chain held, ${report.defects} were not`, {
      hint: 'They were put right; the log says which ones.',
    })
    this.report = report
  }
}

export interface StoredProof {
  readonly cursor: BlockHeader
  readonly positions: ReadonlyMap<string, StoredPosition>
  /** The block after the cursor, not yet applied. */
  readonly observation: BlockObservation
}

/**
 * Before balances that came from the store are believed: where the next block's transactions do not explain a change, the
 * balance before it is read at the cursor's own block, too. A wrong record is no change on the chain.
 */
export async function proveStored(context: HistoryContext, proof: StoredProof): Promise<SyncReport> {
  const { cursor, positions, observation } = proof
  const doubtful: StoredPosition[] = []
  for (const reading of observation.readings) {
    const key = positionKey(reading.position)
    const position = positions.get(key)
    if (position === undefined || reading.kind === 'failed') continue
    if (!position.covered || position.fresh || position.accruing) continue
    if (position.lastBalance === reading.balance || observation.attributions.get(key)?.unexplained === 0n) continue
    doubtful.push(position)
  }
  if (doubtful.length === 0) return { positions: 0, defects: 0, repaired: 0 }
  try {
    const readings = await context.source.balancesAt(cursor, doubtful)
    return await syncLedger(context, { header: cursor, readings })
  } catch (error) {
    if (context.signal?.aborted === true) throw error
    // The cursor's state may be gone after a long absence. What the chain holds now is true all the same.
    context.logger.info({ error: messageOf(error) }, 'stored balances could not be compared with their own block')
    return { positions: doubtful.length, defects: 0, repaired: 0 }
  }
}
