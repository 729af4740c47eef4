import type { BlockObservation } from '../../model/chain-event.js'
import { TidemarkError } from '../../model/errors.js'
import { positionKey } from '../../model/position.js'
import type { StoredPosition } from '../ledger-store.js'
import { draftRecord } from '../draft-record.js'
import { commitPiece, openScope } from './history-scope.js'
import type { HistoryContext, HistoryScope } from './history-scope.js'
import { repairPositions } from './repair-positions.js'
import type { RepairTarget } from './repair-positions.js'

/** Code of the error with which a chain's nodes say that they have thrown away old state. */
const STATE_UNAVAILABLE = 'rpc_state_unavailable'
/** Defects repaired at once: whoever follows the chain waits meanwhile. The others are found again. */
const DEFECTS_MAX = 250

/** What the periodic comparison of the ledger with the chain found. */
export interface SyncReport {
  readonly positions: number
  /** Positions whose stored balance is not what the chain answered at the cursor, as far as they were taken up. */
  readonly defects: number
  /** Records that were put right. */
  readonly repaired: number
}

interface Defect {
  readonly position: StoredPosition
  /** As the chain has it at the cursor. */
  readonly balance: bigint
  readonly kept: bigint | null
  readonly recorded: bigint | null
}

/**
 * Compares what the chain answered at the cursor with what is stored: each position's balance and its newest record. A
 * difference is a defect of ours, not a change on the chain: it is located and put right in the history, and no change is
 * announced.
 *
 * @param observation the readings of the cursor's block, already committed
 */
export async function syncLedger(
  context: HistoryContext,
  { header, readings }: Pick<BlockObservation, 'header' | 'readings'>,
): Promise<SyncReport> {
  const scope = await openScope(context)
  // Another writer went on: its own readings are compared by itself.
  if (scope.cursor.hash !== header.hash) return { positions: 0, defects: 0, repaired: 0 }
  const stored = new Map(scope.positions.map((position) => [positionKey(position), position]))
  const ids = scope.positions.map((position) => position.id)
  const newest = new Map((await scope.store.recordsAt(ids, header.number)).map((record) => [record.positionId, record]))
  const defects: Defect[] = []
  let positions = 0
  for (const reading of readings) {
    const position = stored.get(positionKey(reading.position))
    if (position === undefined || reading.kind === 'failed') continue
    if (!position.covered || position.fresh || position.accruing) continue
    positions += 1
    const recorded = newest.get(position.id)?.balance ?? null
    const { balance } = reading
    if (recorded === balance && position.lastBalance === balance) continue
    defects.push({ position, balance, kept: position.lastBalance, recorded })
  }
  const taken = defects.slice(0, DEFECTS_MAX)
  if (taken.length < defects.length) {
    scope.logger.warn({ defects: defects.length, taken: taken.length }, 'more defects than are repaired at once')
  }
  return { positions, defects: taken.length, repaired: await repairDefects(scope, taken) }
}

async function repairDefects(scope: HistoryScope, defects: readonly Defect[]): Promise<number> {
  if (defects.length === 0) return 0
  for (const defect of defects) tell(scope, defect)
  const targets: RepairTarget[] = []
  for (const { position, balance } of defects) {
    targets.push({ position, since: await openSince(scope, position), endBalance: balance })
  }
  let repaired = 0
  try {
    repaired = await repairPositions(scope, targets, { reason: 'sync' })
  } catch (error) {
    if (!(error instanceof TidemarkError && error.code === STATE_UNAVAILABLE)) throw error
    scope.logger.warn({ error: error.message }, 'the block of the defect is too old to be found')
  }
  return repaired + (await settleRest(scope, defects))
}

function tell({ logger, cursor }: HistoryScope, { position, balance, kept, recorded }: Defect): void {
  logger.error(
    {
      token: position.token,
      solver: position.solver,
      block: cursor.number.toString(),
      chain: balance.toString(),
      stored: kept?.toString() ?? null,
      record: recorded?.toString() ?? null,
    },
    'the stored balance is not what the chain holds, repairing its history',
  )
}

/** @returns how many positions were still wrong, and are right from the cursor on */
async function settleRest(scope: HistoryScope, defects: readonly Defect[]): Promise<number> {
  const { store, cursor, chainId } = scope
  const ids = defects.map(({ position }) => position.id)
  const records = new Map((await store.recordsAt(ids, cursor.number)).map((record) => [record.positionId, record]))
  const kept = new Map((await store.loadPositions(chainId)).map(({ id, lastBalance }) => [id, lastBalance]))
  let settled = 0
  for (const defect of defects) {
    const { position, balance } = defect
    const record = records.get(position.id)
    // Where its record at the cursor is right, and only what is kept beside it is not, the next block puts that right.
    const isRight = kept.get(position.id) === balance || record?.blockNumber === cursor.number
    if (record?.balance === balance && isRight) continue
    await settleAtCursor(scope, { ...defect, recorded: record?.balance ?? null })
    settled += 1
  }
  return settled
}

/** Where the open interval began that says that every change is recorded. */
async function openSince(scope: HistoryScope, position: StoredPosition): Promise<bigint> {
  const open = (await scope.store.coverage(position.id)).find(({ to, kind }) => to === null && kind === 'exact')
  return open?.from ?? scope.cursor.number
}

/** What cannot be located is right from the cursor on at least. */
async function settleAtCursor(scope: HistoryScope, { position, balance, recorded }: Defect): Promise<void> {
  const { cursor } = scope
  const { number, hash, timestampSeconds } = cursor
  const { metadata } = position
  const row = draftRecord({ position, block: cursor, balance, previousBalance: recorded, attribution: null, metadata })
  await commitPiece(scope, {
    positionId: position.id,
    from: number,
    to: cursor,
    records: recorded === balance ? [] : [{ ...row, block: { number, hash, timestampSeconds } }],
    coverage: 'exact',
    reason: 'sync',
    notes: [
      {
        blockNumber: number,
        blockHash: hash,
        stored: recorded,
        found: balance,
        note: recorded === balance ? 'the balance kept beside the records was wrong' : 'changed in a block not found',
      },
    ],
  })
}
