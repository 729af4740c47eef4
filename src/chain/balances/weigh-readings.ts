import type { BalanceReading } from '../../model/chain-event.js'

/** One reading of all positions at one block, and the place of the endpoint that gave it. */
export interface Voice {
  readonly place: number
  /** One for each watched position, in order. */
  readonly readings: readonly BalanceReading[]
}

/** `contradicted`: endpoints show other balances, and this one is not of the majority. `alone`: nothing confirms it yet. */
export type Verdict = 'confirmed' | 'contradicted' | 'alone'

/**
 * Weighs the newest voice against those before it. It is confirmed by a voice that agrees, the last one or another
 * endpoint's, or by the block's own transactions; never against as many endpoints as are for it.
 *
 * @param explained the block's transactions add up to everything that changed
 */
export function weighReadings(voices: readonly Voice[], explained: boolean): Verdict {
  const newest = voices.at(-1)
  if (newest === undefined) throw new Error('invariant: expected at least one reading, got none')
  const latest = new Map(voices.map((voice) => [voice.place, voice]))
  const against = [...latest.values()].filter(({ readings }) => contradict(readings, newest.readings)).length
  if (against > 0 && against >= latest.size - against) return 'contradicted'
  if (explained) return 'confirmed'
  const others = [...latest.values()].filter(({ place }) => place !== newest.place)
  const before = voices.at(-2)
  const agreeing = [...others, ...(before === undefined ? [] : [before])]
  return agreeing.some(({ readings }) => agree(readings, newest.readings)) ? 'confirmed' : 'alone'
}

/** Which endpoints the next reading should not come from: those that were heard, or heard more often than another. */
export function placesToAvoid(voices: readonly Voice[], endpoints: number): ReadonlySet<number> {
  const heard = new Set(voices.map(({ place }) => place))
  if (heard.size < endpoints) return heard
  const times = (place: number): number => voices.filter((voice) => voice.place === place).length
  const fewest = Math.min(...[...heard].map(times))
  const next = voices.findLast(({ place }) => times(place) === fewest)
  return new Set([...heard].filter((place) => place !== next?.place))
}

/** A balance that could not be read contradicts none. */
function contradict(one: readonly BalanceReading[], other: readonly BalanceReading[]): boolean {
  return one.some((reading, index) => {
    const second = other[index]
    return reading.kind === 'balance' && second?.kind === 'balance' && second.balance !== reading.balance
  })
}

/** Whether two readings of the same positions are the same. */
export function agree(one: readonly BalanceReading[], other: readonly BalanceReading[]): boolean {
  return one.every((reading, index) => {
    const second = other[index]
    if (reading.kind === 'failed') return second?.kind === 'failed'
    return second?.kind === 'balance' && second.balance === reading.balance
  })
}
