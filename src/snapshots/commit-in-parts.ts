import type { LoggedEvent } from '../model/event.js'
import { BatchNotStoredError, BatchRefusedError } from './snapshot-store.js'
import type { CommitOutcome, SnapshotStore } from './snapshot-store.js'
import type { Settlement, Waiting } from './waiting-line.js'

/** How a batch went, for the log. */
export interface BatchReport {
  readonly committed: number
  readonly refused: number
  readonly failed: number
  /** The first error met, if any. */
  readonly error: unknown
  /** Events of what was committed, in order, as far as their places in the log are known. */
  readonly events: readonly LoggedEvent[]
}

/**
 * Commits a batch and settles each of its snapshots. Where the database refuses it for what is in it, it is halved until
 * the bad ones stand alone: those are refused, and the others are stored, each once.
 *
 * @param remainingMs the time left for all of it
 */
export async function commitInParts(
  store: Pick<SnapshotStore, 'commit'>,
  batch: readonly Waiting[],
  remainingMs: () => number,
): Promise<BatchReport> {
  const events: LoggedEvent[] = []
  const report = { committed: 0, refused: 0, failed: 0, error: undefined as unknown, events }
  const parts: (readonly Waiting[])[] = [batch]
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    try {
      const drafts = part.map((waiting) => waiting.draft)
      const outcomes = await store.commit(drafts, remainingMs())
      if (outcomes.length !== part.length) throw new Error('invariant: one outcome per draft')
      report.committed += part.length
      outcomes.forEach((outcome, index) => part[index]?.settle(outcome))
      report.events.push(...outcomes.flatMap(eventOf))
    } catch (error) {
      report.error ??= error
      const refused = error instanceof BatchRefusedError
      if (refused && part.length === 1) {
        report.refused += 1
        settleAll(part, { kind: 'refused', cause: error })
      } else if (refused && remainingMs() > 0) {
        const middle = part.length >> 1
        // The one that came first is tried first: of two with the same key it is the one to be stored.
        parts.push(part.slice(middle), part.slice(0, middle))
      } else {
        const notStored = refused || error instanceof BatchNotStoredError
        settleAll(part, { kind: notStored ? 'not-stored' : 'unknown', cause: error })
        // The rest was never sent, and is not tried against a database in trouble.
        const rest = parts.splice(0).flat()
        settleAll(rest, { kind: 'not-stored', cause: error })
        report.failed += part.length + rest.length
      }
    }
  }
  return report
}

function eventOf(outcome: CommitOutcome): readonly LoggedEvent[] {
  if (outcome.kind !== 'saved' || outcome.seq === null) return []
  return [{ type: 'snapshot.saved', seq: outcome.seq, data: outcome.snapshot }]
}

function settleAll(waiting: readonly Waiting[], settlement: Settlement): void {
  for (const { settle } of waiting) settle(settlement)
}
