/** What is compared of an endpoint. */
export interface Candidate {
  /** Milliseconds until it may be used; 0 for now. */
  readonly downMs: number
  /** Failures since the last success: one that was down is tried by a probe, not by work, while another is well. */
  readonly failures: number
  readonly costMs: number
}

/** An endpoint is clearly worse than the best one when it costs this much more. */
const WORSE_FACTOR = 2
const WORSE_MS = 250
/** The one in use is left later than another one is passed over, or two equals would take turns. */
const LEAVE_FACTOR = 3
const LEAVE_MS = 500

/**
 * Which endpoint to use: the one in use while it is well, else the first in order of preference that is not clearly
 * worse than the best. When all are down, the one that is back soonest.
 *
 * @param candidates in order of preference, at least one
 * @param inUse place of the endpoint in use; null to choose afresh
 * @returns the place of the chosen one
 */
export function chooseEndpoint(candidates: readonly Candidate[], inUse: number | null): number {
  const places = candidates.map((candidate, place) => ({ ...candidate, place }))
  const up = places.filter(({ downMs }) => downMs === 0)
  const well = up.filter(({ failures }) => failures === 0)
  const usable = well.length > 0 ? well : up
  if (usable.length === 0) {
    const [soonest] = places.toSorted((a, b) => a.downMs - b.downMs)
    if (soonest === undefined) throw new Error('invariant: expected at least one endpoint, got none')
    return soonest.place
  }
  const bestMs = Math.min(...usable.map(({ costMs }) => costMs))
  const current = usable.find(({ place }) => place === inUse)
  if (current !== undefined && current.costMs <= LEAVE_FACTOR * bestMs + LEAVE_MS) return current.place
  const chosen = usable.find(({ costMs }) => costMs <= WORSE_FACTOR * bestMs + WORSE_MS)
  if (chosen === undefined) throw new Error('invariant: the best endpoint is not worse than itself')
  return chosen.place
}
