import type { EventTailer, LogBreak } from '../events/event-tailer.js'
import type { EventLog } from '../events/event-log.js'
import type { LoggedEvent } from '../model/event.js'
import type { ConsumeOptions, ConsumerGroups, StopConsuming } from './consumer-groups.js'

/** The durable event log, as seen by those who react to it. */
export interface ManagerEvents {
  /** Resolves when the log can be read: at once, unless `start()` still waits for the database. */
  ready(): Promise<void>
  /** The newest event handed to subscribers. */
  readonly seq: bigint
  /** The identity of the log: another one once it was seen to have lost events, as by a restore from backup. */
  readonly logId: string
  /** Hands over each committed event once, in order, from now on. */
  subscribe(handler: (event: LoggedEvent) => void): () => void
  /** Tells when events were passed over; `seq` and `logId` are already those with which it goes on. */
  onBreak(handler: (reason: LogBreak) => void): () => void
  /**
   * Hands each committed event to one process of a named group, at least once and in order, also what was committed while
   * no process of the group was running. The first time that a group is named it starts at the newest event.
   *
   * @returns what ends it
   * @throws {InvalidArgumentError | DatabaseUnavailableError}
   */
  consume(options: ConsumeOptions): Promise<StopConsuming>
  /** Events with `seq` greater than `after`, oldest first. */
  read(after: bigint, limit: number): Promise<readonly LoggedEvent[]>
  /** The oldest `seq` that is still kept. */
  oldestSeq(): Promise<bigint>
}

interface EventParts {
  readonly tailer: EventTailer
  readonly groups: ConsumerGroups
  readonly storage: { readonly events: EventLog }
}

/** @param parts throws as long as there are none */
export function eventsOf(parts: () => EventParts, startSettled: Promise<void>): ManagerEvents {
  return {
    ready: async () => {
      await startSettled
      parts()
    },
    get seq() {
      return parts().tailer.seq
    },
    get logId() {
      return parts().tailer.logId
    },
    subscribe: (handler) => parts().tailer.subscribe(handler),
    onBreak: (handler) => parts().tailer.onBreak(handler),
    consume: async (options) => parts().groups.consume(options),
    read: async (after, limit) => parts().storage.events.read(after, limit),
    oldestSeq: async () => (await parts().storage.events.head()).oldestSeq,
  }
}
