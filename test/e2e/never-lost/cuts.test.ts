import { pathToFileURL } from 'node:url'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { createRandom } from '../../../src/testing/random.js'
import { longTimeoutMs, times } from '../../support/long.js'
import { CuttingProxy, cutKinds } from './cutting-proxy.js'
import { embeddedAddress } from './read-stored.js'
import { Scene } from './scene.js'
import { sleepUpTo, tellResult } from './strikes.js'

const SEED = 37
const CUTS = times(5, 50)
const DISCONNECTS = times(1, 10)
const RESTARTS = times(1, 5)

const disconnectOnSignal = pathToFileURL(join(import.meta.dirname, 'disconnect-on-signal.mjs')).href

describe('snapshots through broken connections', () => {
  let scene: Scene

  beforeEach(async () => {
    scene = await Scene.open()
  })

  afterEach(() => scene.close())

  it(
    'shows every viewer each snapshot once and in order through cuts, disconnects by the server and restarts',
    { timeout: longTimeoutMs },
    async () => {
      const random = createRandom(SEED)
      const service = await scene.addService({ NODE_OPTIONS: `--import=${disconnectOnSignal}` })
      await service.start()
      const target = { host: '127.0.0.1', port: Number(new URL(service.url).port) }
      const [toReporters, toViewers] = [await CuttingProxy.open(() => target), await CuttingProxy.open(() => target)]
      scene.onClose(() => toReporters.close())
      scene.onClose(() => toViewers.close())
      await scene.begin({ urls: [toReporters.url], viewerUrls: [toViewers.url], seed: SEED })
      let broken = 0
      // One that found nothing on its way to break off does not count.
      while (broken < CUTS) {
        await scene.load.progress(random.integer(20, 100))
        await sleepUpTo(random, 50)
        const kind = cutKinds[broken % cutKinds.length]!
        // All at once, or one of them.
        const choose = <Some>(open: readonly Some[]): readonly Some[] =>
          random.integer(0, 2) > 0 || open.length === 0 ? open : [random.pick(open)]
        const counts = await Promise.all([toReporters.cut(kind, choose), toViewers.cut(kind, choose)])
        if (counts.some((count) => count > 0)) broken += 1
      }
      for (let count = 0; count < DISCONNECTS; count += 1) {
        await scene.load.progress(random.integer(20, 100))
        service.send('SIGUSR2')
        await scene.load.progress(20)
        await scene.load.leave()
      }
      for (let count = 0; count < RESTARTS; count += 1) {
        await scene.load.progress(random.integer(20, 100))
        await service.stop()
        await service.start()
      }
      await scene.load.progress(40)
      const { violations, outcomes, history } = await scene.judge(() => embeddedAddress(scene.dataDir))
      const ends = history.viewers.flatMap(({ watches }) => watches.map(({ ended }) => ended))
      const disconnects = ends.filter((reason) => reason === 'io server disconnect').length
      tellResult('cuts', { cuts: broken, disconnects, restarts: RESTARTS, outcomes, history })
      expect(violations).toEqual([])
      expect(disconnects).toBeGreaterThanOrEqual(DISCONNECTS)
      expect(ends.filter((reason) => reason?.startsWith('transport')).length).toBeGreaterThanOrEqual(CUTS)
      expect(outcomes.acknowledged).toBeGreaterThan(CUTS * 20)
      await service.stop()
    },
  )
})
