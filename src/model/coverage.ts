import type { CoverageKind } from './chain-event.js'

/** Blocks of a position that are known in the same way, bounds included. */
export interface CoverageInterval {
  readonly from: bigint
  /** Null: up to the cursor. */
  readonly to: bigint | null
  readonly kind: CoverageKind
}
