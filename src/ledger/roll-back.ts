import type { BlockHeader } from '../model/block.js'
import type { RevertedItem, TidemarkEvent } from '../model/event.js'
import type { RollbackPlan, RollbackRecords, StoredRecord } from './ledger-store.js'

/**
 * Works out what a reorganisation takes back: the records above the ancestor leave history, and the newest record at or
 * below it stands again.
 */
export async function planRollback(
  store: RollbackRecords,
  chainId: bigint,
  ancestor: BlockHeader,
): Promise<RollbackPlan> {
  const orphaned = await store.recordsAbove(chainId, ancestor.number)
  const byPosition = groupByPosition(orphaned)
  const remaining = await store.recordsAt([...byPosition.keys()], ancestor.number)
  const standing = new Map<bigint, StoredRecord | null>([...byPosition.keys()].map((id) => [id, null]))
  for (const record of remaining) standing.set(record.positionId, record)

  const items = [...byPosition].map(([id, records]) => revertedItem(records, standing.get(id) ?? null))
  const events: TidemarkEvent[] =
    items.length === 0
      ? []
      : [
          {
            type: 'balance.reverted',
            data: { chainId, ancestor: { number: ancestor.number, hash: ancestor.hash }, items },
          },
        ]
  return { standing, events }
}

function groupByPosition(records: readonly StoredRecord[]): Map<bigint, [StoredRecord, ...StoredRecord[]]> {
  const groups = new Map<bigint, [StoredRecord, ...StoredRecord[]]>()
  for (const record of records) {
    const group = groups.get(record.positionId)
    if (group === undefined) groups.set(record.positionId, [record])
    else group.push(record)
  }
  return groups
}

function revertedItem(
  records: readonly [StoredRecord, ...StoredRecord[]],
  standing: StoredRecord | null,
): RevertedItem {
  return {
    position: records[0].position,
    orphaned: records.map(({ blockNumber, blockHash, balance }) => ({ blockNumber, blockHash, balance })),
    balance: standing?.balance ?? null,
    blockNumber: standing?.blockNumber ?? null,
  }
}
