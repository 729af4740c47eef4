import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { createRandom } from '../../../src/testing/random.js'
import { longTimeoutMs, seeds } from '../../support/long.js'
import { until } from '../../support/until.js'
import { checkHistory, outcomesOf, rules } from './check-history.js'
import type { History } from './history.js'
import { embeddedAddress, readStored } from './read-stored.js'
import { Scene } from './scene.js'
import { signal } from './service-under-fire.js'
import { diskObstacle, StackedDisk } from './stacked-disk.js'
import type { DiskKind } from './stacked-disk.js'
import { sleepUpTo, tellResult } from './strikes.js'

const obstacle = await diskObstacle()
if (obstacle !== null) console.warn(`The tests of power cuts are skipped: ${obstacle}.`)

describe.skipIf(obstacle !== null)('snapshots through a power cut', () => {
  let scene: Scene

  beforeEach(async () => {
    scene = await Scene.open()
  })

  afterEach(() => scene.close())

  it.each(seeds(47, 1, 5))(
    'loses nothing that it acknowledged when the power is cut under load (seed %i)',
    { timeout: longTimeoutMs },
    async (seed) => {
      const history = await historyOfCut(scene, { seed, kind: 'honest' })
      tellResult(`power cut, seed ${seed}`, { outcomes: outcomesOf(history.reports), history })
      expect(checkHistory(history)).toEqual([])
      expect(outcomesOf(history.reports).acknowledged).toBeGreaterThan(100)
    },
  )

  it.each(seeds(470, 0, 3))(
    'is found out to lose what it acknowledged when the disk lies about what it keeps (seed %i)',
    { timeout: longTimeoutMs },
    async (seed) => {
      const history = await historyOfCut(scene, { seed, kind: 'lying' })
      tellResult(`power cut on a disk that lies, seed ${seed}`, { outcomes: outcomesOf(history.reports), history })
      const broken = checkHistory(history).map(({ rule }) => rule)
      expect(broken).toContain(rules.storedAcknowledged)
      expect(broken).toContain(rules.pushedStored)
    },
  )
})

/** Cuts the power under load. What callers and viewers knew by then is held against what is there after it. */
async function historyOfCut(scene: Scene, { seed, kind }: { seed: number; kind: DiskKind }): Promise<History> {
  const random = createRandom(seed)
  const disk = await StackedDisk.create(scene.folder, kind)
  scene.onClose(() => disk.close())
  const service = await scene.addService({}, join(disk.path, 'data'))
  await service.start()
  await scene.begin({ urls: [service.url], seed })
  if (kind === 'lying') {
    // What came before is safe even there, so that something is left to start from.
    await scene.load.progress(50)
    await disk.flush()
  }
  await scene.load.progress(random.integer(150, 400))
  await sleepUpTo(random, 50)
  // From here on nobody is told anything any more, and nobody writes.
  const stopped = [service.pid, ...service.databasePids()]
  for (const pid of stopped) signal(pid, 'SIGSTOP')
  await until('everything stands still', () => stopped.every(standsStill))
  const { inFlight } = await scene.load.counts()
  expect(inFlight).toBeGreaterThan(0)
  const image = await disk.cut()
  await service.kill('everything')
  const { reports, viewers } = await scene.load.finish()

  const after = await disk.mountAfter(image)
  const dataDir = join(after, 'data')
  const again = await scene.addService({}, dataDir)
  const started = await again.start().then(
    () => true,
    (error: unknown) => error,
  )
  if (started !== true && kind === 'honest') throw started
  // A cluster that does not come up has lost everything.
  const nothing = { rows: [], log: [], head: 0 }
  const stored = started === true ? await readStored(embeddedAddress(dataDir)) : nothing
  if (started === true) await again.stop()
  return { reports, viewers, stored, settled: false }
}

function standsStill(pid: number): boolean {
  try {
    return /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return true
  }
}
