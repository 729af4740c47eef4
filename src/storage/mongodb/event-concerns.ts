import { positionKey } from '../../model/position.js'
import type { RecordEvent } from './record-source.js'

/** Whether an event tells of records of some positions, given by their keys. */
export function concerns(event: RecordEvent, positions: ReadonlySet<string>): boolean {
  switch (event.type) {
    case 'balance.updated':
    case 'position.started':
    case 'history.extended': {
      const { chainId, tokenAddress: token, solverAddress: solver } = event.data
      return positions.has(positionKey({ chainId, token, solver }))
    }
    case 'balance.reverted':
      return event.data.items.some(({ position }) => positions.has(positionKey(position)))
  }
}

/** Whether it tells that records which were committed before are others now. */
export function rewrites(event: RecordEvent, positions: ReadonlySet<string>): boolean {
  switch (event.type) {
    case 'balance.updated':
    case 'position.started':
      return false
    case 'balance.reverted':
    case 'history.extended':
      return concerns(event, positions)
  }
}
