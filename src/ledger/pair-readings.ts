import type { BalanceReading } from '../model/chain-event.js'
import { positionKey } from '../model/position.js'
import type { StoredPosition } from './ledger-store.js'

/**
 * Finds the stored position of each reading. Readings nearly always come in the order of the positions, so that the
 * next one is the right one: looking thousands of them up in every block would cost more than comparing them.
 *
 * @returns one entry for each reading, in order; undefined where the position is not watched any more
 */
export function pairReadings(
  positions: ReadonlyMap<string, StoredPosition>,
  readings: readonly BalanceReading[],
): readonly (StoredPosition | undefined)[] {
  const inOrder = positions.values()
  return readings.map(({ position }) => {
    const next = inOrder.next().value
    const isNext =
      next?.token === position.token && next.solver === position.solver && next.chainId === position.chainId
    return isNext ? next : positions.get(positionKey(position))
  })
}
