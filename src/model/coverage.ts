import type { CoverageKind } from './chain-event.js'

/** Blocks of a position that are known in the same way, bounds included. */
export interface CoverageInterval {
  readonly from: bigint
  /** Null: up to the cursor. */
  readonly to: bigint | null
  readonly kind: CoverageKind
}

/** An interval with the times of its bounds, null where a block's time is not known. */
export interface TimedInterval extends CoverageInterval {
  readonly fromTime: Date | null
  /** Of an open interval: the cursor's. */
  readonly toTime: Date | null
}
