import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { createRandom } from '../../../src/testing/random.js'
import { longTimeoutMs, times } from '../../support/long.js'
import { embeddedAddress } from './read-stored.js'
import { Scene } from './scene.js'
import { victims } from './service-under-fire.js'
import { sleepUpTo, tellResult } from './strikes.js'

const SEED = 46
const KILLS = times(3, 50)

describe('snapshots through a kill of the service', () => {
  let scene: Scene

  beforeEach(async () => {
    scene = await Scene.open()
  })

  afterEach(() => scene.close())

  it(
    'loses nothing that it acknowledged when it is killed under load, alone or with its processes or with its database',
    { timeout: longTimeoutMs * 2 },
    async () => {
      const random = createRandom(SEED)
      const service = await scene.addService()
      await service.start()
      await scene.begin({ urls: [service.url], seed: SEED })
      let interrupted = 0
      for (let kill = 0; kill < KILLS; kill += 1) {
        await scene.load.progress(random.integer(40, 200))
        await sleepUpTo(random, 50)
        const before = await scene.load.counts()
        await service.kill(victims[kill % victims.length]!)
        if (before.inFlight > 0) interrupted += 1
        await service.start()
      }
      await scene.load.progress(40)
      const { violations, outcomes, history } = await scene.judge(() => embeddedAddress(scene.dataDir))
      tellResult('kills', { kills: KILLS, interrupted, outcomes, history })
      expect(violations).toEqual([])
      // Each of them met reports on their way, and some callers never learnt what became of theirs.
      expect(interrupted).toBe(KILLS)
      expect(outcomes.acknowledged).toBeGreaterThan(KILLS * 40)
      expect(history.reports.flatMap(({ attempts }) => attempts).some(({ kind }) => kind === 'unknown')).toBe(true)
      expect(outcomes.refused).toBeGreaterThan(0)
      expect(service.starts).toBe(KILLS + 1)
      await service.stop()
    },
  )
})
