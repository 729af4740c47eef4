import type { ConsumerPlace, ConsumerStore } from './consumer-store.js'
import type { EventTailer } from './event-tailer.js'

/** A place that nobody stores: begins at the newest event, and ends with its reader. */
export function livePlace(tailer: Pick<EventTailer, 'seq' | 'logId'>): Pick<ConsumerStore, 'open' | 'move'> {
  let place: ConsumerPlace = { log: tailer.logId, seq: tailer.seq }
  return {
    // In another log the number means nothing: it is gone on with at the newest event.
    open: async () => (place.log === tailer.logId ? place : { log: place.log, seq: tailer.seq }),
    move: async (_name, _epoch, to) => {
      place = to
      return true
    },
  }
}
