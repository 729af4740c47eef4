import { positionKey } from '../../model/position.js'
import type { RecordEvent } from './record-source.js'

/** Keys of positions, in a set or as those of a map. */
export type PositionKeys = Pick<ReadonlySet<string>, 'has'>

/** Whether an event tells of records of some positions, given by their keys. */
export function concerns(event: RecordEvent, positions: PositionKeys): boolean {
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

/**
 * Whether it tells that records up to some blocks are others now. A record that is told of at such a block took the place
 * of a block that was undone, of which nothing may be told where it had no record of the position.
 *
 * @param blocks by the keys of positions
 */
export function rewrites(event: RecordEvent, blocks: ReadonlyMap<string, bigint>): boolean {
  switch (event.type) {
    case 'balance.updated':
    case 'position.started': {
      const { chainId, tokenAddress: token, solverAddress: solver, blockNumber } = event.data
      const block = blocks.get(positionKey({ chainId, token, solver }))
      return block !== undefined && blockNumber <= block
    }
    case 'balance.reverted':
    case 'history.extended':
      return concerns(event, blocks)
  }
}
