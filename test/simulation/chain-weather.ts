import type { Hash } from '../../src/model/position.js'
import type { Lots } from './lots.js'
import type { ChainPlan } from './scenario.js'
import type { Owner, Scheduler } from './scheduler.js'

const ORDINARY_DEPTH_MAX = 5
const LONG_DEPTH_MAX = 64
/** More than the headers that the ledger keeps. */
const DEEP_DEPTH_MAX = 330
const OUTAGE_BLOCK_MS = 20

/** In a storm everything befalls the service, in calm only blocks come, and when all is still nothing at all. */
export type Weather = 'stormy' | 'calm' | 'still'

/** All that is counted. */
export const weatherFacts = [
  'reorganisations',
  'reorganisations deeper than 5',
  'reorganisations deeper than 64',
  'reorganisations undone',
  'chains that got shorter',
  'absences of all nodes',
  'absences of more than 300 blocks',
] as const

export type WeatherFact = (typeof weatherFacts)[number]

/** What the weather does to a chain. */
export interface WeatheredChain {
  /** Number of the newest block. */
  readonly height: number
  readonly headHash: Hash
  /** Adds a block in which things happen. */
  mine(): void
  /** Takes the newest blocks away and puts others there. */
  reorganise(depth: number, blocks: number): void
  /** Goes back to a head that was left. */
  returnTo(head: Hash): void
  /** All nodes vanish, or come back. */
  setReachable(reachable: boolean): void
}

export interface WeatherOptions {
  readonly chain: WeatheredChain
  readonly plan: ChainPlan
  readonly lots: Lots
  readonly scheduler: Scheduler
  readonly self: Owner
  readonly durationMs: number
  readonly weather: () => Weather
  readonly count: (fact: WeatherFact) => void
}

/** Blocks, reorganisations of every kind, and one long absence of all nodes. */
export function letWeatherLoose(options: WeatherOptions): void {
  const { plan, lots, scheduler, self, weather, durationMs } = options
  let left: Hash | null = null
  const next = (): void => {
    scheduler.after(plan.blockTimeMs * (0.7 + 0.6 * lots.fraction()), self, `block of ${plan.chainId}`, () => {
      if (weather() === 'still') return
      // A chain that stands still is a trouble of its own.
      if (weather() === 'calm') options.chain.mine()
      else if (left !== null && lots.chance(0.7)) {
        options.chain.returnTo(left)
        options.count('reorganisations undone')
        left = null
      } else if (lots.chance(1 / plan.reorgEvery)) left = reorganise(options)
      else options.chain.mine()
      next()
    })
  }
  next()
  if (plan.outageBlocks > 0) {
    scheduler.after(lots.integer(5000, Math.round(durationMs * 0.7)), self, `outage of ${plan.chainId}`, () =>
      outage(options),
    )
  }
}

/** @returns the head that was left, when the chain may return to it. */
function reorganise({ chain, plan, lots, count }: WeatherOptions): Hash | null {
  const left = chain.headHash
  const wanted = lots.chance(plan.deepReorgs)
    ? lots.integer(LONG_DEPTH_MAX + 1, DEEP_DEPTH_MAX)
    : lots.chance(0.15)
      ? lots.integer(ORDINARY_DEPTH_MAX + 1, LONG_DEPTH_MAX)
      : lots.integer(1, ORDINARY_DEPTH_MAX)
  // The first block stays what it is: another one would be another chain.
  const depth = Math.min(wanted, chain.height)
  if (depth === 0) {
    chain.mine()
    return null
  }
  const kind = lots.pick(['longer', 'longer', 'same height', 'same height', 'shorter'] as const)
  const blocks =
    kind === 'longer' ? depth + lots.integer(1, 3) : kind === 'same height' ? depth : lots.integer(1, depth)
  chain.reorganise(depth, blocks)
  count(
    depth > LONG_DEPTH_MAX
      ? 'reorganisations deeper than 64'
      : depth > ORDINARY_DEPTH_MAX
        ? 'reorganisations deeper than 5'
        : 'reorganisations',
  )
  if (blocks < depth) count('chains that got shorter')
  return lots.chance(0.3) ? left : null
}

/** The chain goes on, seen by nobody. */
function outage({ chain, plan, lots, scheduler, self, weather, count }: WeatherOptions): void {
  if (weather() !== 'stormy') return
  chain.setReachable(false)
  count(plan.outageBlocks > 300 ? 'absences of more than 300 blocks' : 'absences of all nodes')
  let blocks = 0
  const next = (): void => {
    scheduler.after(OUTAGE_BLOCK_MS * lots.fraction(), self, `unseen block of ${plan.chainId}`, () => {
      chain.mine()
      blocks += 1
      if (blocks < plan.outageBlocks && weather() === 'stormy') next()
      else scheduler.after(lots.delayMs(5000), self, `end of outage of ${plan.chainId}`, () => chain.setReachable(true))
    })
  }
  next()
}
