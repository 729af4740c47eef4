import { blockTime } from '../model/block.js'
import type { BlockHeader } from '../model/block.js'
import type { Attribution, BlockObservation } from '../model/chain-event.js'
import type { TidemarkEvent } from '../model/event.js'
import { positionKey } from '../model/position.js'
import type { TokenMetadata } from '../model/token-metadata.js'
import type { RecordRow, StoredPosition } from './ledger-store.js'

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
 * - A reading that failed changes no balance: the position turns stale.
 */
export function decideBlock(
  positions: ReadonlyMap<string, StoredPosition>,
  observation: BlockObservation,
): BlockDecision {
  const draft: Draft = { records: [], opened: [], stale: [], events: [] }
  for (const reading of observation.readings) {
    const key = positionKey(reading.position)
    const position = positions.get(key)
    if (position === undefined) continue
    if (reading.kind === 'failed') {
      if (position.staleReason !== reading.reason) draft.stale.push({ positionId: position.id, reason: reading.reason })
      continue
    }
    if (!position.covered) draft.opened.push(position.id)
    if (!position.fresh && position.lastBalance === reading.balance) continue
    const metadata = mergeMetadata(position.metadata, observation.metadata.get(position.token))
    const attribution = observation.attributions.get(key) ?? null
    addRecord(draft, { position, balance: reading.balance, header: observation.header, attribution, metadata })
  }
  return draft
}

/** A field that could not be read this time keeps what is known of it. */
function mergeMetadata(known: TokenMetadata, read: TokenMetadata | undefined): TokenMetadata {
  return {
    decimals: read?.decimals ?? known.decimals,
    symbol: read?.symbol ?? known.symbol,
    name: read?.name ?? known.name,
  }
}

interface NewRecord {
  readonly position: StoredPosition
  readonly balance: bigint
  readonly header: BlockHeader
  readonly attribution: Attribution | null
  readonly metadata: TokenMetadata
}

function addRecord(draft: Draft, { position, balance, header, attribution, metadata }: NewRecord): void {
  const previousBalance = position.fresh ? null : position.lastBalance
  // A change over blocks that were not read cannot be pinned on the transactions of this one.
  const known = position.covered ? attribution : null
  const transactionHashes = known?.transactionHashes ?? []
  const cause = previousBalance === null ? null : (known?.cause ?? 'unknown')
  const unexplained = previousBalance === null ? 0n : (known?.unexplained ?? balance - previousBalance)
  draft.records.push({
    positionId: position.id,
    balance,
    previousBalance,
    transactionHashes,
    cause,
    unexplained,
    metadata,
  })
  const common = {
    chainId: position.chainId,
    tokenAddress: position.token,
    solverAddress: position.solver,
    blockNumber: header.number,
    blockHash: header.hash,
    timestamp: blockTime(header),
  }
  if (previousBalance === null || cause === null) {
    draft.events.push({ type: 'position.started', data: { ...common, ...metadata, balance } })
    return
  }
  const sole = unexplained === 0n && transactionHashes.length === 1 ? transactionHashes[0] : undefined
  draft.events.push({
    type: 'balance.updated',
    data: {
      ...common,
      previousBalance,
      newBalance: balance,
      changeAmount: balance - previousBalance,
      ...(sole === undefined ? {} : { transactionHash: sole }),
      transactionHashes,
      cause,
      unexplained,
    },
  })
}
