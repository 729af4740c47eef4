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
