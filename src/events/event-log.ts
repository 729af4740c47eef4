import type { LoggedEvent } from '../model/event.js'

/** Where the log stands. `log` names the log itself: once it was seen to have lost events, it has another name. */
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
   * Gives the log another name if it still has this one: the database was restored, or a standby took over that had not got
   * everything, so that a `seq` means another event from now on.
   *
   * @param lostSeq somebody has seen this event: only if the log ends before it; null if it has another one in its place
   */
  rename(log: string, lostSeq: bigint | null): Promise<EventLogHead>
  /**
   * Calls `onWake` when others may have committed new events. Only a hint: a reader polls as well, and nothing is lost when
   * no hint comes. Whoever commits events in this process tells its readers itself.
   *
   * @returns stops listening.
   */
  listen(onWake: () => void): () => Promise<void>
}
