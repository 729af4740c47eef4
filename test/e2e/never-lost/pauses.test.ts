import { setTimeout as sleep } from 'node:timers/promises'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { createRandom } from '../../../src/testing/random.js'
import { longTimeoutMs, times } from '../../support/long.js'
import { embeddedAddress } from './read-stored.js'
import type { Counts } from './load-orders.js'
import { Scene } from './scene.js'
import { signal } from './service-under-fire.js'
import { sleepUpTo, tellResult } from './strikes.js'

const SEED = 43
/** Each is a pause of the service and one of its database. The last of many outlasts every time limit of a statement. */
const pausesMs = [800, 800, 800, 800, 3000, 15_000].slice(0, times(1, 6))
/** What was acknowledged just before a pause may reach its caller a little later. */
const SETTLE_MS = 250

describe('snapshots through a pause', () => {
  let scene: Scene

  beforeEach(async () => {
    scene = await Scene.open()
  })

  afterEach(() => scene.close())

  it(
    'acknowledges nothing while its database stands still, and loses nothing when it or its database does',
    { timeout: longTimeoutMs },
    async () => {
      const random = createRandom(SEED)
      const service = await scene.addService()
      await service.start()
      await scene.begin({ urls: [service.url], seed: SEED })
      let interrupted = 0
      for (const pauseMs of pausesMs) {
        for (const paused of ['service', 'database'] as const) {
          await scene.load.progress(random.integer(20, 100))
          await sleepUpTo(random, 50)
          const before = await scene.load.counts()
          const pids = paused === 'database' ? service.databasePids() : [service.pid]
          for (const pid of pids) signal(pid, 'SIGSTOP')
          const standing = await settled(scene)
          await sleep(pauseMs)
          const after = await scene.load.counts()
          for (const pid of pids) signal(pid, 'SIGCONT')
          expect(after.acknowledged, paused).toBe(standing.acknowledged)
          if (before.inFlight > 0) interrupted += 1
        }
      }
      await scene.load.progress(40)
      const { violations, outcomes, history } = await scene.judge(() => embeddedAddress(scene.dataDir))
      tellResult('pauses', { pauses: pausesMs.length * 2, interrupted, outcomes, history })
      expect(violations).toEqual([])
      expect(interrupted).toBe(pausesMs.length * 2)
      await service.stop()
    },
  )
})

/** The counts once no acknowledgement has come for a while. */
async function settled({ load }: Scene): Promise<Counts> {
  for (let before = await load.counts(); ;) {
    await sleep(SETTLE_MS)
    const now = await load.counts()
    if (now.acknowledged === before.acknowledged) return now
    before = now
  }
}
