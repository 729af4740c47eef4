import type { BalanceRecord } from '../../model/balance-record.js'
import type { TidemarkEvent } from '../../model/event.js'
import type { Position } from '../../model/position.js'
import type { RecordKey } from './record-document.js'

/** Where the log stood at the very moment at which something else was read. */
export interface LogPlace {
  /** The name of the log. */
  readonly log: string
  /** The newest committed `seq`. */
  readonly seq: bigint
}

/** Records as they stood when the log had come to `seq`. */
export interface RecordReading extends LogPlace {
  readonly records: readonly BalanceRecord[]
}

/** Blocks of a position, bounds included. */
export interface RecordSpan {
  readonly position: Position
  readonly fromBlock: bigint
  readonly toBlock: bigint
}

/** A place in the order of all records: by position, then by block. */
export interface RecordPlace {
  readonly positionId: bigint
  readonly blockNumber: bigint
}

/** Events that tell which records changed. */
export type RecordEvent = Extract<
  TidemarkEvent,
  { readonly type: 'balance.updated' | 'position.started' | 'balance.reverted' | 'history.extended' }
>

export interface RecordEvents extends LogPlace {
  /** Of the events after the given place and up to `upto`, those that tell of records, oldest first. */
  readonly events: readonly RecordEvent[]
  readonly upto: bigint
  /** True when some of the events are not kept any more. */
  readonly expired: boolean
  /** What tells the events at `after` and at `upto` from others of the same number; null where they are not kept. */
  readonly markAfter: string | null
  readonly markUpto: string | null
}

/** How far something is behind the log. */
export interface LogLag {
  readonly events: bigint
  /** Age of the oldest event that is not done yet; 0 when all are. */
  readonly seconds: number
}

/**
 * What the copy in MongoDB is made from. Each reading is one snapshot: what it tells of the records, and of the log,
 * belongs together.
 */
export interface RecordSource {
  place(): Promise<LogPlace>
  /** At most `limit` events of the log after `after`; those that do not tell of records are passed over. */
  eventsAfter(after: bigint, limit: number): Promise<RecordEvents>
  /** The records that there are of those keys, in any order. */
  recordsOf(keys: readonly RecordKey[]): Promise<RecordReading>
  /** The first `limit` records of the span, by block. */
  recordsWithin(span: RecordSpan, limit: number): Promise<RecordReading>
  /** The first `limit` records after a place, in the order of all records. `next` is null at the end. */
  recordsAfter(place: RecordPlace | null, limit: number): Promise<RecordReading & { readonly next: RecordPlace | null }>
  /** About how many records there are. */
  estimateRecords(): Promise<number>
  /** As `EventLog.rename`. */
  renameLog(log: string, lostSeq: bigint | null): Promise<void>
  /**
   * How far a copy is behind that has everything up to a place; null for one of which only PostgreSQL knows. One of another
   * log has nothing.
   */
  lagAfter(place: LogPlace | null): Promise<LogLag>
  /**
   * From now on the log keeps what comes after `seq`, or after its newest event, for the named target; others that were
   * copied to before hold nothing back any more.
   */
  register(target: string, seq?: bigint): Promise<LogPlace>
  /** Whether this database was ever copied to the target, as far as it remembers. */
  isRegistered(target: string): Promise<boolean>
  /** Nothing is copied any more: no copy holds events back. */
  forgetCopies(): Promise<void>
}
