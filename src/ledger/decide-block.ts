import type { BlockHeader } from '../model/block.js'
import type { Attribution, BlockObservation } from '../model/chain-event.js'
import type { TidemarkEvent } from '../model/event.js'
import { positionKey } from '../model/position.js'
import type { TokenMetadata } from '../model/token-metadata.js'
import { isWorthRecording } from './accrual-watch.js'
import { announceRecord, draftRecord } from './draft-record.js'
import type { RecordRow, StoredPosition } from './ledger-store.js'
import { mergeMetadata } from './merge-metadata.js'
import { pairReadings } from './pair-readings.js'

/** What one block's readings mean for the ledger. */
export interface BlockDecision {
  readonly records: readonly RecordRow[]
  readonly opened: readonly bigint[]
  readonly stale: readonly { readonly positionId: bigint; readonly reason: string }[]
  readonly events: readonly TidemarkEvent[]
}

interface Draft {
  readonly records: RecordRow[]
  readonly opened: bigint[]
  readonly stale: { positionId: bigint; reason: string }[]
  readonly events: TidemarkEvent[]
}

/**
 * Decides what changed: the only place that compares a reading with the balance before it.
 *
 * - A covered position gets a record when its balance differs.
 * - A position that was never read, or was taken up again, gets a record whatever its balance.
 * - A position that could not be read for a while gets one only if the balance differs from the last known one.
 * - A position that grows by itself gets one when a transaction moved it, and else now and then.
 * - A reading that failed changes no balance: the position turns stale.
 *
 * @param sampledAtSeconds when accruing positions were last recorded, by `positionKey`
 */
export function decideBlock(
  positions: ReadonlyMap<string, StoredPosition>,
  observation: BlockObservation,
  sampledAtSeconds: ReadonlyMap<string, number> = new Map(),
): BlockDecision {
  const { header } = observation
  const draft: Draft = { records: [], opened: [], stale: [], events: [] }
  const paired = pairReadings(positions, observation.readings)
  for (const [index, reading] of observation.readings.entries()) {
    const position = paired[index]
    if (position === undefined) continue
    if (reading.kind === 'failed') {
      // After a rollback a position may be covered again and still bear the reason of the branch that is gone.
      const isNews = position.covered || position.staleReason !== reading.reason
      if (isNews) draft.stale.push({ positionId: position.id, reason: reading.reason })
      continue
    }
    if (!position.covered) draft.opened.push(position.id)
    if (!position.fresh && position.lastBalance === reading.balance) continue
    const key = positionKey(position)
    const attribution = observation.attributions.get(key) ?? null
    const mayWait = position.accruing && position.covered && !position.fresh
    if (mayWait && !isWorthRecording(attribution, header.timestampSeconds, sampledAtSeconds.get(key))) continue
    const metadata = mergeMetadata(position.metadata, observation.metadata.get(position.token))
    addRecord(draft, { position, balance: reading.balance, header, attribution, metadata })
  }
  return draft
}

interface NewRecord {
  readonly position: StoredPosition
  readonly balance: bigint
  readonly header: BlockHeader
  readonly attribution: Attribution | null
  readonly metadata: TokenMetadata
}

function addRecord(draft: Draft, { position, balance, header, attribution, metadata }: NewRecord): void {
  const record = {
    position,
    block: header,
    balance,
    previousBalance: position.fresh ? null : position.lastBalance,
    // A change over blocks that were not read cannot be pinned on the transactions of this one.
    attribution: position.covered ? attribution : null,
    metadata,
  }
  const row = draftRecord(record)
  draft.records.push(row)
  draft.events.push(announceRecord(record, row))
}
