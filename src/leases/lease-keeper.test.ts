import { describe, expect, it } from 'vitest'

import { LeapableClock } from '../../test/support/leapable-clock.js'
import { until } from '../../test/support/until.js'
import { silentLogger } from '../model/logger.js'
import { LeaseKeeper } from './lease-keeper.js'
import { LeaseLostError } from './lease-store.js'
import type { HeldLease, Lease, LeaseStore } from './lease-store.js'

const DURATION_MS = 5000
const HOUR_MS = 3_600_000

/** A store of which each answer is given by the test. */
class AskedStore implements LeaseStore {
  readonly renewals: { readonly resolve: (renewed: boolean) => void; readonly reject: (error: Error) => void }[] = []
  released = 0

  acquire(name: string, holder: string): Promise<Lease> {
    return Promise.resolve({ name, holder, epoch: 1n })
  }

  look(): Promise<HeldLease | null> {
    return Promise.resolve(null)
  }

  renew(): Promise<boolean> {
    return new Promise((resolve, reject) => this.renewals.push({ resolve, reject }))
  }

  release(): Promise<void> {
    this.released += 1
    return Promise.resolve()
  }
}

function begin(work: (lease: Lease, signal: AbortSignal) => Promise<void>): {
  readonly clock: LeapableClock
  readonly store: AskedStore
  readonly keeper: LeaseKeeper
} {
  const clock = new LeapableClock()
  const store = new AskedStore()
  const keeper = new LeaseKeeper({
    name: 'chain:1',
    holder: 'a',
    leases: store,
    clock,
    logger: silentLogger,
    durationMs: DURATION_MS,
    work,
  })
  keeper.start()
  return { clock, store, keeper }
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted) resolve()
  })

describe('the keeper of a lease', () => {
  it('counts from before a renewal was sent, not from when its answer came', async () => {
    let signal: AbortSignal | null = null
    const { clock, store, keeper } = begin((_lease, aborted) => untilAborted((signal = aborted)))
    await until('the work has begun', () => signal !== null)
    clock.leap(2000)
    await until('a renewal was sent', () => store.renewals.length === 1)
    // The answer takes 2.5 of the 5 seconds for which it is good.
    clock.leap(2500)
    store.renewals[0]!.resolve(true)
    await until('the next renewal waits for its time', () => keeper.standing.kind === 'held')
    await new Promise((resolve) => setImmediate(resolve))
    clock.leap(2000)
    await until('another renewal was sent', () => store.renewals.length === 2)
    expect(signal!.aborted).toBe(false)
    clock.leap(600)
    expect(signal!.aborted).toBe(true)
    expect(signal!.reason).toBeInstanceOf(LeaseLostError)
    await keeper.close()
  })

  it('stops the work in time when no renewal is answered', async () => {
    let signal: AbortSignal | null = null
    const { clock, store, keeper } = begin((_lease, aborted) => untilAborted((signal = aborted)))
    await until('the work has begun', () => signal !== null)
    clock.leap(1700)
    await until('a renewal was sent', () => store.renewals.length === 1)
    clock.leap(3000)
    expect(signal!.aborted).toBe(false)
    clock.leap(400)
    expect(signal!.aborted).toBe(true)
    await until('it is known that the lease is gone', () => keeper.standing.kind === 'free')
    await keeper.close()
    expect(store.released).toBe(0)
  })

  it('tries again at once when a renewal fails', async () => {
    let signal: AbortSignal | null = null
    const { clock, store, keeper } = begin((_lease, aborted) => untilAborted((signal = aborted)))
    await until('the work has begun', () => signal !== null)
    clock.leap(1700)
    for (let attempt = 1; attempt <= 8; attempt += 1) {
      await until('a renewal was sent', () => store.renewals.length === attempt)
      store.renewals[attempt - 1]!.reject(new Error('the database is away'))
      await new Promise((resolve) => setImmediate(resolve))
      clock.leap(260)
    }
    await until('a renewal was sent', () => store.renewals.length === 9)
    store.renewals[8]!.resolve(true)
    await new Promise((resolve) => setImmediate(resolve))
    clock.leap(1600)
    expect(signal!.aborted).toBe(false)
    await keeper.close()
  })

  it('begins work again that ended, ever more rarely, and keeps the lease meanwhile', async () => {
    const begun: number[] = []
    const { clock, store, keeper } = begin(() => {
      begun.push(clock.monotonicMs())
      return begun.length % 2 === 0 ? Promise.resolve() : Promise.reject(new Error('it does not work'))
    })
    for (let leaps = 0; leaps < 200; leaps += 1) {
      clock.leap(100)
      await new Promise((resolve) => setImmediate(resolve))
      for (const { resolve } of store.renewals.splice(0)) resolve(true)
    }
    expect(begun.length).toBeGreaterThan(4)
    expect(begun.length).toBeLessThan(12)
    expect(keeper.standing).toEqual({ kind: 'held' })
    await keeper.close()
    expect(store.released).toBe(1)
  })

  it('waits for the work to wind up before the lease is released, and renews it until then', async () => {
    let finish: () => void = () => undefined
    const { clock, store, keeper } = begin(async (_lease, signal) => {
      await untilAborted(signal)
      await new Promise<void>((resolve) => (finish = resolve))
    })
    await until('the work has begun', () => keeper.standing.kind === 'held')
    const closing = keeper.close()
    clock.leap(1700)
    await until('a renewal was sent', () => store.renewals.length === 1)
    store.renewals[0]!.resolve(true)
    expect(store.released).toBe(0)
    finish()
    await closing
    expect(store.released).toBe(1)
  })

  it('closes when a renewal is never answered', async () => {
    const { clock, store, keeper } = begin((_lease, signal) => untilAborted(signal))
    await until('the work has begun', () => keeper.standing.kind === 'held')
    clock.leap(1700)
    await until('a renewal was sent', () => store.renewals.length === 1)
    await keeper.close()
    expect(store.released).toBe(1)
    clock.leap(HOUR_MS)
    expect(store.renewals).toHaveLength(1)
  })
})
