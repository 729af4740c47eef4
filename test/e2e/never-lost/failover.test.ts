import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { createRandom } from '../../../src/testing/random.js'
import { longTimeoutMs, times } from '../../support/long.js'
import { createTestDatabase } from '../../support/test-database.js'
import type { TestDatabase } from '../../support/test-database.js'
import { until } from '../../support/until.js'
import { Scene } from './scene.js'
import { sleepUpTo, tellResult } from './strikes.js'

const SEED = 49
const FAILOVERS = times(1, 10)
const ROLLING_RESTARTS = times(0, 5)

describe('snapshots with two services on one database', () => {
  let scene: Scene
  let database: TestDatabase

  beforeEach(async () => {
    scene = await Scene.open()
    database = await createTestDatabase()
  })

  afterEach(async () => {
    await scene.close()
    await database.drop()
  })

  it(
    'keeps every acknowledged snapshot, and shows each once, when one service is killed and its callers move to the other',
    { timeout: longTimeoutMs },
    async () => {
      const random = createRandom(SEED)
      const replicas = [
        await scene.addService({ DATABASE_URL: database.url }),
        await scene.addService({ DATABASE_URL: database.url }),
      ]
      await Promise.all(replicas.map((replica) => replica.start()))
      await scene.begin({ urls: replicas.map(({ url }) => url), seed: SEED })
      let interrupted = 0
      for (let count = 0; count < FAILOVERS; count += 1) {
        await scene.load.progress(random.integer(40, 200))
        await sleepUpTo(random, 50)
        const replica = replicas[count % 2]!
        const before = await scene.load.counts()
        await replica.kill(random.pick(['alone', 'group']))
        if (before.inFlight > 0) interrupted += 1
        await scene.load.progress(40)
        // Reports may be acknowledged sooner than viewers have moved.
        await until('a viewer has moved', async () => (await scene.load.counts()).connections > before.connections)
        await replica.start()
      }
      for (let count = 0; count < ROLLING_RESTARTS; count += 1) {
        for (const replica of replicas) {
          await scene.load.progress(random.integer(20, 100))
          await replica.stop()
          await replica.start()
        }
      }
      await scene.load.progress(40)
      const { violations, outcomes, history } = await scene.judge(() => database.address)
      tellResult('failovers', {
        failovers: FAILOVERS,
        rollingRestarts: ROLLING_RESTARTS,
        interrupted,
        outcomes,
        history,
      })
      expect(violations).toEqual([])
      expect(interrupted).toBe(FAILOVERS)
      expect(outcomes.acknowledged).toBeGreaterThan(FAILOVERS * 80)
      // Half of the viewers were with the one that was killed first.
      const moved = history.viewers.filter(({ watches }) => watches.length > 1)
      expect(moved.length).toBeGreaterThanOrEqual(times(2, 4))
      for (const replica of replicas) await replica.stop()
    },
  )
})
