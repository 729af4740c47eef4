import type { RecordKey } from './record-document.js'
import { documentId } from './record-document.js'
import type { RecordEvent, RecordSpan } from './record-source.js'

/** Records that may not be any more as they were copied. */
export interface RecordChanges {
  readonly keys: readonly RecordKey[]
  readonly spans: readonly RecordSpan[]
}

/**
 * What events tell of the records that changed. Nothing else of them counts: what the records are by now is read, so that
 * an event may come twice, late, or about something that changed again since.
 */
export function gatherChanges(events: readonly RecordEvent[]): RecordChanges {
  const keys = new Map<string, RecordKey>()
  const spans = new Map<string, RecordSpan>()
  const add = (key: RecordKey): void => void keys.set(documentId(key), key)
  for (const event of events) {
    switch (event.type) {
      case 'balance.updated':
      case 'position.started': {
        const { chainId, tokenAddress: token, solverAddress: solver, blockNumber } = event.data
        add({ position: { chainId, token, solver }, blockNumber })
        break
      }
      case 'balance.reverted':
        for (const { position, orphaned } of event.data.items) {
          for (const { blockNumber } of orphaned) add({ position, blockNumber })
        }
        break
      case 'history.extended': {
        const { chainId, tokenAddress: token, solverAddress: solver, fromBlock, toBlock } = event.data
        const span = { position: { chainId, token, solver }, fromBlock, toBlock }
        spans.set(`${documentId({ position: span.position, blockNumber: fromBlock })}-${toBlock}`, span)
        break
      }
    }
  }
  return { keys: [...keys.values()], spans: [...spans.values()] }
}
