import type { BlockHeader } from '../../model/block.js'
import type { BlockObservation, SpanObservation } from '../../model/chain-event.js'
import { RetryableError, messageOf } from '../../model/errors.js'
import { positionKey } from '../../model/position.js'
import type { StoredPosition } from '../ledger-store.js'
import { openScope, searchSpan } from './history-scope.js'
import type { HistoryContext, HistoryScope } from './history-scope.js'
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
  /** Positions whose next change nothing explains. */
  readonly doubtful: readonly StoredPosition[]
}

/**
 * Before balances that came from the store are believed: where the next block's transactions do not explain a change, the
 * balance before it is compared with the chain's, one block further back. A wrong record is no change on the chain.
 *
 * What differs at the cursor only counts when the cursor's own transactions explain it: a node may answer for its newest
 * blocks out of the next one's state. The rest is left to the periodic comparison.
 */
export async function proveStored(context: HistoryContext, proof: StoredProof): Promise<SyncReport> {
  const { doubtful } = proof
  const before = proof.cursor.number - 1n
  if (doubtful.length === 0 || before < 0n) return nothing
  try {
    const scope = await openScope(context)
    if (scope.cursor.hash !== proof.cursor.hash) return nothing
    const header = await scope.header(before)
    const readings = await context.source.balancesAt(header, doubtful)
    const ids = doubtful.map((position) => position.id)
    const newest = new Map((await scope.store.recordsAt(ids, proof.cursor.number)).map((row) => [row.positionId, row]))
    const older = new Map((await scope.store.recordsAt(ids, before)).map((row) => [row.positionId, row]))
    const wrong: StoredPosition[] = []
    const open: (StoredPosition & { readonly balance: bigint })[] = []
    for (const [index, position] of doubtful.entries()) {
      const reading = readings[index]
      // A position that began at the cursor says nothing of the block before.
      const known = older.get(position.id)
      if (newest.get(position.id)?.balance !== position.lastBalance) wrong.push(position)
      else if (reading?.kind !== 'balance' || known === undefined) continue
      else if (known.balance !== reading.balance) wrong.push(position)
      else open.push({ ...position, balance: reading.balance })
    }
    wrong.push(...(await wrongAtCursor(scope, header, open)))
    if (wrong.length === 0) return nothing
    const found = await context.source.balancesAt(proof.cursor, wrong)
    return await syncLedger(context, { header: proof.cursor, readings: found })
  } catch (error) {
    if (context.signal?.aborted === true) throw error
    // The cursor's state may be gone after a long absence. What the chain holds now is true all the same.
    context.logger.info({ error: messageOf(error) }, 'stored balances could not be compared with their own block')
    return nothing
  }
}

/** Those whose stored balance lacks what the cursor's transactions did. */
async function wrongAtCursor(
  scope: HistoryScope,
  from: BlockHeader,
  positions: readonly (StoredPosition & { readonly balance: bigint })[],
): Promise<readonly StoredPosition[]> {
  if (positions.length === 0) return []
  const { changes } = await searchSpan(scope, { positions, from, to: scope.cursor })
  const found = new Map(changes.map((change) => [positionKey(change.position), change]))
  return positions.filter((position) => {
    const change = found.get(positionKey(position))
    return change !== undefined && change.balance !== position.lastBalance && change.attribution.unexplained === 0n
  })
}

const nothing: SyncReport = { positions: 0, defects: 0, repaired: 0 }

/** Positions that the block after the cursor changes, without transactions that explain it. */
export function doubtfulInBlock(
  positions: ReadonlyMap<string, StoredPosition>,
  { readings, attributions }: BlockObservation,
): readonly StoredPosition[] {
  return readings.flatMap((reading) => {
    const key = positionKey(reading.position)
    const position = positions.get(key)
    if (position === undefined || reading.kind === 'failed' || !isKnown(position)) return []
    const explained = attributions.get(key)?.unexplained === 0n
    return explained || position.lastBalance === reading.balance ? [] : [position]
  })
}

/** Positions that the first block of a span changes, without transactions that explain it. */
export function doubtfulInSpan(
  positions: ReadonlyMap<string, StoredPosition>,
  { changes }: SpanObservation,
  cursor: BlockHeader,
): readonly StoredPosition[] {
  return changes.flatMap(({ position: { chainId, token, solver }, block, attribution }) => {
    const position = positions.get(positionKey({ chainId, token, solver }))
    if (position === undefined || !isKnown(position)) return []
    return block.number === cursor.number + 1n && attribution.unexplained !== 0n ? [position] : []
  })
}

function isKnown({ covered, fresh, accruing }: StoredPosition): boolean {
  return covered && !fresh && !accruing
}
