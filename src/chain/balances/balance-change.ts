import type { Position } from '../../model/position.js'

/** A position whose balance differs from the last one, and by how much. */
export interface BalanceChange {
  readonly position: Position
  /** Signed, in the token's smallest unit. */
  readonly delta: bigint
}
