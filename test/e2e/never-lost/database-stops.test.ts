import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { createRandom } from '../../../src/testing/random.js'
import { silentLogger } from '../../../src/model/logger.js'
import { startEmbeddedPostgres } from '../../../src/storage/postgres/embedded/start-embedded-postgres.js'
import { longTimeoutMs, times } from '../../support/long.js'
import { until } from '../../support/until.js'
import { CuttingProxy } from './cutting-proxy.js'
import { embeddedAddress } from './read-stored.js'
import { Scene } from './scene.js'
import { serverPids, signal } from './service-under-fire.js'
import { sleepUpTo, tellResult } from './strikes.js'

const SEED = 42
const STOPS = times(1, 10)
const STOPS_BY_URL = times(1, 10)
/** An immediate stop of the server, the death of the server, and of one of its processes, upon which it drops all others. */
const strikes = ['SIGQUIT', 'process', 'SIGKILL'] as const

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
        const victim = strike === 'process' ? random.pick(processes) : server!
        signal(victim, strike === 'process' ? 'SIGKILL' : strike)
        if (before.inFlight > 0) interrupted += 1
        await until('the process is gone', () => !service.databasePids().includes(victim))
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
      for (let stop = 0; stop < STOPS_BY_URL; stop += 1) {
        await scene.load.progress(random.integer(40, 200))
        await sleepUpTo(random, 50)
        const before = await scene.load.counts()
        const strike = strikes[stop % strikes.length]!
        if (strike === 'process') {
          signal(random.pick(serverPids(dataDir).slice(1)), 'SIGKILL')
        } else {
          signal(server.serverPid, strike)
          await server.stop()
          server = await startEmbeddedPostgres({ dataDir, logger: silentLogger })
        }
        if (before.inFlight > 0) interrupted += 1
      }
      await scene.load.progress(40)
      const { violations, outcomes, history } = await scene.judge(() => server.connection)
      tellResult('stops by DATABASE_URL', { stops: STOPS_BY_URL, interrupted, outcomes, history })
      expect(violations).toEqual([])
      expect(interrupted).toBe(STOPS_BY_URL)
      expect(outcomes.acknowledged).toBeGreaterThan(STOPS_BY_URL * 40)
      expect(history.reports.flatMap(({ attempts }) => attempts).some(({ kind }) => kind === 'unknown')).toBe(true)
      expect(service.starts).toBe(1)
      await service.stop()
    },
  )
})
