/** Where a named reader of the event log stands: everything up to `seq` was handled. */
export interface ConsumerPlace {
  /** The name of the log that the `seq` belongs to; null when it is not known. */
  readonly log: string | null
  readonly seq: bigint
}

/** A reader that is behind, with the age of the oldest event it has not handled. */
export interface LaggingConsumer {
  readonly name: string
  readonly seq: bigint
  readonly ageDays: number
}

/** Places of the readers of the log. What a reader has not handled stays in the log, however old it is. */
export interface ConsumerStore {
  /** Starts a reader at the newest event, unless it has a place already. */
  register(name: string): Promise<void>
  /**
   * Takes a reader's place under the epoch of a lease: whoever has a lower one cannot move it from then on.
   *
   * @returns null when there is no such reader, or a higher epoch has it
   */
  open(name: string, epoch: bigint): Promise<ConsumerPlace | null>
  /** @returns false when another epoch has it, it was removed, or the log ends before this place */
  move(name: string, epoch: bigint, place: ConsumerPlace): Promise<boolean>
  /** Readers with an unread event older than this. */
  lagging(olderThanDays: number): Promise<readonly LaggingConsumer[]>
}
