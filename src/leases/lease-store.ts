import { RetryableError } from '../model/errors.js'

/** The right to do a piece of work that only one process at a time may do. */
export interface Lease {
  /** What it is for, such as `chain:1` or `consumer:default`. */
  readonly name: string
  /** The process that has it. */
  readonly holder: string
  /**
   * Goes up whenever the lease changes hands. What its holder writes names it, so that one who was frozen and comes back
   * is refused.
   */
  readonly epoch: bigint
}

/** A lease that a process has, as others see it. */
export interface HeldLease extends Lease {
  /** What its holder tells the others; null when it has not told anything yet. */
  readonly note: string | null
}

/**
 * A lease was not renewed in time, or another process has it. What was about to be written under it was not written, and
 * the work has to stop.
 */
export class LeaseLostError extends RetryableError {
  readonly code = 'lease_lost'
}

/** Leases in the database, by the database's clock: processes need not agree on the time. */
export interface LeaseStore {
  /**
   * Takes a lease that is free or has run out, or goes on with one's own.
   *
   * @param durationMs a minute at most
   * @returns null while another process has it
   */
  acquire(name: string, holder: string, durationMs: number): Promise<Lease | null>
  /**
   * @param note what to tell those who look; what was told before stays when it is absent
   * @returns false when it is not ours any more
   */
  renew(lease: Lease, durationMs: number, note?: string): Promise<boolean>
  /** Who has a lease now; null while it is free or has run out. Writes nothing: those who stand by do it all the time. */
  look(name: string): Promise<HeldLease | null>
  /** Lets the next one have it at once. Does nothing when it is not ours any more. */
  release(lease: Lease): Promise<void>
}
