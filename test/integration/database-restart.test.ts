import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { BalanceManager } from '../../src/index.js'
import { recordLog } from '../support/log-recorder.js'
import { until } from '../support/until.js'

describe('the embedded database', () => {
  it('is started again when its server is killed, and nothing acknowledged is lost', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tidemark-test-'))
    const { logger, lines } = recordLog()
    const manager = new BalanceManager({ config: { databaseUrl: null, dataDir, chains: [], solvers: [] }, logger })
    try {
      await manager.start()
      const seen: string[] = []
      manager.events.subscribe((event) => {
        if (event.type === 'snapshot.saved') seen.push(event.data.id)
      })
      const save = async (): Promise<string> =>
        (await manager.saveSnapshot({ onchain: { a: 1 }, onsite: { b: 1 } })).snapshot.id
      const acknowledged = [await save()]
      const serverPid = (): number => Number(lines.findLast((line) => line.message === 'database is up')?.fields['pid'])
      for (let round = 0; round < 2; round += 1) {
        const killed = serverPid()
        process.kill(killed, 'SIGKILL')
        await until('a snapshot is taken again', () =>
          save().then(
            (id) => acknowledged.push(id),
            () => false,
          ),
        )
        // A connection that outlives its server for a moment may still have taken that one.
        await until('another server is up', () => serverPid() !== killed)
      }
      const list = await manager.snapshots({ limit: 100, offset: 0 })
      const stored = list?.snapshots.map((snapshot) => snapshot.id) ?? []
      expect(stored).toEqual(expect.arrayContaining(acknowledged))
      await until('every stored snapshot was announced', () => seen.length === stored.length)
      expect(new Set(seen)).toEqual(new Set(stored))
      expect(await manager.health()).toEqual({ database: 'up', reason: null })
    } finally {
      await manager.close()
      await rm(dataDir, { recursive: true, force: true })
    }
  })
})
