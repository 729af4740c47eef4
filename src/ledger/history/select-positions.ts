import type { Clock } from '../../model/clock.js'
import type { BalanceFilter } from '../balance-reader.js'
import type { StoredPosition } from '../ledger-store.js'

/** The positions that a filter means. */
export function selectPositions(
  positions: readonly StoredPosition[],
  { token, solver }: Pick<BalanceFilter, 'token' | 'solver'>,
): readonly StoredPosition[] {
  return positions.filter(
    (position) =>
      (token === undefined || position.token === token) && (solver === undefined || position.solver === solver),
  )
}

/** So many positions, drawn by lot; all of them when there are no more. */
export function sampleOf(
  positions: readonly StoredPosition[],
  count: number,
  clock: Pick<Clock, 'random'>,
): readonly StoredPosition[] {
  const left = [...positions]
  const drawn: StoredPosition[] = []
  while (drawn.length < count && left.length > 0) {
    drawn.push(...left.splice(Math.floor(clock.random() * left.length), 1))
  }
  return drawn
}
