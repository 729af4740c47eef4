import type { LoggedEvent } from '../model/event.js'

/** Where the log stands. `log` names the log itself: after a restore from backup it is another one. */
export interface EventLogHead {
  readonly log: string
  /** The newest committed `seq`; 0 for an empty log. */
  readonly seq: bigint
  /** The oldest `seq` still kept; `seq + 1` when nothing is kept. */
  readonly oldestSeq: bigint
}

/**
 * Reading side of the durable event log.
 *
 * Invariant: `seq` is contiguous and in commit order, so a reader at `seq` has seen everything up to it. There is no
 * append here: events are written by the commit ports, in the same transaction as the rows they tell of.
 */
export interface EventLog {
  head(): Promise<EventLogHead>
  /** Events with `seq` greater than `after`, oldest first, at most `limit`. */
  read(after: bigint, limit: number): Promise<readonly LoggedEvent[]>
  /**
   * Calls `onWake` when new events may be there. Only a hint: a reader polls as well, and nothing is lost when no hint comes.
   *
   * @returns stops listening.
   */
  listen(onWake: () => void): () => Promise<void>
}
