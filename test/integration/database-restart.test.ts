import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { BalanceManager } from '../../src/index.js'
import { silentLogger } from '../../src/model/logger.js'
import { listProcesses, readLink } from '../../src/storage/postgres/embedded/process-state.js'
import { startEmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'
import { createModelChain, startFaultProxy } from '../../src/testing/index.js'
import { recordLog } from '../support/log-recorder.js'
import type { LogLine } from '../support/log-recorder.js'
import { until } from '../support/until.js'
import { follow } from './chain-fixture.js'

function pidOf(lines: readonly LogLine[]): number {
  return Number(lines.findLast(({ message }) => message === 'database is up')?.fields['pid'])
}

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
      for (let round = 0; round < 2; round += 1) {
        const pid = pidOf(lines)
        process.kill(pid, 'SIGKILL')
        // A process of the server may live on for a moment and take a snapshot still.
        await until('another server is up', () => pidOf(lines) !== pid)
        await until('a snapshot is taken again', () =>
          save().then(
            (id) => acknowledged.push(id),
            () => false,
          ),
        )
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

describe('the embedded database that is just being started again', () => {
  it('ends with its owner all the same, and leaves nothing running', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tidemark-test-'))
    const { logger, lines } = recordLog()
    const manager = new BalanceManager({ config: { databaseUrl: null, dataDir, chains: [], solvers: [] }, logger })
    try {
      await manager.start()
      process.kill(pidOf(lines), 'SIGKILL')
      await until('the loss is noticed', () => lines.some(({ message }) => message.includes('starting it again')))
      await manager.close()
      const left = listProcesses().filter(({ executable }) => executable?.endsWith('/postgres') === true)
      const ours = left.filter(({ pid }) => readLink(`/proc/${pid}/cwd`)?.startsWith(dataDir) === true)
      expect(ours).toEqual([])
      // Nobody owns the directory any more.
      const again = await startEmbeddedPostgres({ dataDir, logger: silentLogger })
      await again.stop()
    } finally {
      await manager.close()
      await rm(dataDir, { recursive: true, force: true })
    }
  })
})

describe('a database that is away for a while', () => {
  it(
    'holds the chain up and nothing else: it is told as the reason, and every block is recorded afterwards',
    { timeout: 60_000 },
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'tidemark-test-'))
      const [dataDir, socketDir] = [join(folder, 'data'), join(folder, 'socket')]
      await mkdir(socketDir)
      let server = await startEmbeddedPostgres({ dataDir, logger: silentLogger })
      const connections = new Set<Socket>()
      // One address for the server, wherever it listens after a restart.
      const door = createServer((socket) => {
        const { host, port } = server.connection
        const inner = connect(join(host, `.s.PGSQL.${port}`))
        for (const side of [socket, inner]) {
          connections.add(side)
          side.on('error', () => undefined)
          side.on('close', () => {
            connections.delete(side)
            socket.destroy()
            inner.destroy()
          })
        }
        socket.pipe(inner).pipe(socket)
      })
      await new Promise<void>((resolve) => door.listen(join(socketDir, '.s.PGSQL.5432'), resolve))
      const { user, database } = server.connection
      const url = `postgresql://${user}@localhost:5432/${database}?host=${encodeURIComponent(socketDir)}`
      const wallet = `0x${'a1'.repeat(20)}` as const
      const model = createModelChain({ chainId: 77n, seed: 7, wallets: [{ address: wallet, balance: 10n ** 20n }] })
      const node = await startFaultProxy({ target: model })
      const pay = (): void => {
        model.mine([{ kind: 'internal', from: model.treasury, to: wallet, value: 3n }])
      }
      const follower = await follow({
        chainId: 77n,
        rpcUrls: [node.rpcUrl],
        tokens: [],
        solvers: [wallet],
        database: {
          url,
          name: database,
          address: { host: socketDir, port: 5432, user, database },
          drop: () => Promise.resolve(),
        },
      })
      try {
        const first = model.head.number
        await follower.reached(first)
        for (let count = 0; count < 3; count += 1) pay()
        await follower.reached(model.head.number)
        for (let round = 0; round < 2; round += 1) {
          await server.stop()
          for (let count = 0; count < 12; count += 1) pay()
          await until('the database is called away', async () => (await follower.manager.health()).database !== 'up')
          const waiting = follower.log.length
          await until('the chain is tried again', () =>
            follower.log.slice(waiting).some(({ message }) => message.includes('trying again')),
          )
          server = await startEmbeddedPostgres({ dataDir, logger: silentLogger })
          await until('the chain has caught up', () =>
            follower.chain().then(
              ({ processed }) => processed === model.head.number,
              () => false,
            ),
          )
        }
        const records = await follower.records({ token: 'native', solver: wallet })
        const changes = model.changesOf('native', wallet).filter(({ block }) => block.number > first)
        expect(changes).toHaveLength(27)
        expect(records.slice(1).map(({ blockHash, balance }) => ({ blockHash, balance }))).toEqual(
          changes.map(({ block, balance }) => ({ blockHash: block.hash, balance })),
        )
        expect(await follower.manager.health()).toEqual({ database: 'up', reason: null })
      } finally {
        await follower.close()
        await node.close()
        for (const socket of connections) socket.destroy()
        await new Promise((resolve) => door.close(resolve))
        await server.stop()
        await rm(folder, { recursive: true, force: true })
      }
    },
  )
})
