import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { createRandom } from '../../../src/testing/index.js'
import { silentLogger } from '../../../src/model/logger.js'
import { startEmbeddedPostgres } from '../../../src/storage/postgres/embedded/start-embedded-postgres.js'
import { longTimeoutMs, times } from '../../support/long.js'
import { until } from '../../support/until.js'
import { CuttingProxy } from './cutting-proxy.js'
import { embeddedAddress } from './read-stored.js'
import { Scene } from './scene.js'
import { signal } from './service-under-fire.js'
import { sleepUpTo, tellResult } from './strikes.js'

const SEED = 42
const STOPS = times(2, 10)
/** An immediate stop of the server, the death of the server, and of one of its processes, upon which it drops all others. */
const strikes = ['SIGQUIT', 'backend', 'SIGKILL'] as const

describe('snapshots through a stop of the database', () => {
  let scene: Scene

  beforeEach(async () => {
    scene = await Scene.open()
  })

  afterEach(() => scene.close())

  it(
    'loses nothing that it acknowledged when its own database is stopped at once, or loses a process',
    { timeout: longTimeoutMs },
    async () => {
      const random = createRandom(SEED)
      const service = await scene.addService()
      await service.start()
      await scene.begin({ urls: [service.url], seed: SEED })
      let interrupted = 0
      for (let stop = 0; stop < STOPS; stop += 1) {
        await scene.load.progress(random.integer(40, 200))
        await sleepUpTo(random, 50)
        const [server, ...processes] = service.databasePids()
        const before = await scene.load.counts()
        const strike = strikes[stop % strikes.length]!
        if (strike === 'backend') signal(random.pick(processes), 'SIGKILL')
        else signal(server!, strike)
        if (before.inFlight > 0) interrupted += 1
        const same = strike === 'backend'
        await until('the old processes are gone', () => {
          const now = service.databasePids()
          return same ? processes.every((pid) => !now.includes(pid)) : now.length > 0 && now[0] !== server
        })
      }
      await scene.load.progress(40)
      const { violations, outcomes, history } = await scene.judge(() => embeddedAddress(scene.dataDir))
      tellResult('embedded stops', { stops: STOPS, interrupted, outcomes, history })
      expect(violations).toEqual([])
      expect(interrupted).toBe(STOPS)
      expect(outcomes.acknowledged).toBeGreaterThan(STOPS * 40)
      expect(history.reports.flatMap(({ attempts }) => attempts).some(({ kind }) => kind === 'unknown')).toBe(true)
      expect(service.starts).toBe(1)
    },
  )

  it(
    'loses nothing that it acknowledged when the server that DATABASE_URL names is stopped at once, or loses a process',
    { timeout: longTimeoutMs },
    async () => {
      const random = createRandom(SEED + 1)
      const dataDir = join(scene.folder, 'server')
      let server = await startEmbeddedPostgres({ dataDir, logger: silentLogger })
      scene.onClose(() => server.stop())
      // One address for the server, wherever it listens after a restart.
      const door = await CuttingProxy.open(() => ({ path: join(server.connection.host, '.s.PGSQL.5432') }))
      scene.onClose(() => door.close())
      const { user, database } = server.connection
      const service = await scene.addService({
        DATABASE_URL: `postgresql://${user}@127.0.0.1:${door.port}/${database}`,
      })
      await service.start()
      await scene.begin({ urls: [service.url], seed: SEED + 1 })
      let interrupted = 0
      for (let stop = 0; stop < STOPS; stop += 1) {
        await scene.load.progress(random.integer(40, 200))
        await sleepUpTo(random, 50)
        const before = await scene.load.counts()
        const strike = strikes[stop % strikes.length]!
        if (strike === 'backend') {
          // The connection under load takes its process with it.
          expect(await door.cut('reset', (open) => open)).toBeGreaterThan(0)
        } else {
          signal(server.serverPid, strike)
          await server.stop()
          server = await startEmbeddedPostgres({ dataDir, logger: silentLogger })
        }
        if (before.inFlight > 0) interrupted += 1
      }
      await scene.load.progress(40)
      const { violations, outcomes, history } = await scene.judge(() => server.connection)
      tellResult('stops by DATABASE_URL', { stops: STOPS, interrupted, outcomes, history })
      expect(violations).toEqual([])
      expect(interrupted).toBe(STOPS)
      expect(outcomes.acknowledged).toBeGreaterThan(STOPS * 40)
      expect(history.reports.flatMap(({ attempts }) => attempts).some(({ kind }) => kind === 'unknown')).toBe(true)
      expect(service.starts).toBe(1)
      await service.stop()
    },
  )
})
