import { setTimeout as sleep } from 'node:timers/promises'

import { afterEach, describe, expect, it } from 'vitest'

import { CHAIN_ID } from '../../support/serve-model-chain.js'
import { longTimeoutMs, times } from '../../support/long.js'
import { until } from '../../support/until.js'
import { checkChain } from '../../simulation/check-chain.js'
import { EventFold, checkLog } from '../../simulation/check-events.js'
import { readStoredChain } from '../../simulation/stored-chain.js'
import { openViewer } from '../chain-viewer.js'
import type { Viewer } from '../chain-viewer.js'
import { keepReporting } from './keep-reporting.js'
import type { Reports } from './keep-reporting.js'
import { ReplicaScene } from './replica-scene.js'
import type { Replica } from './replica-scene.js'

const ROUNDS = times(1, 8)
const PROCESSES = times(2, 3)
/** Three leases. */
const TAKEOVER_MS_MAX = 15_000

describe('processes on one database', () => {
  let scene: ReplicaScene

  afterEach(() => scene.close())

  it(
    'follow each chain once, and go on without gap or duplicate when the one that does is killed, frozen or stopped',
    { timeout: longTimeoutMs },
    async () => {
      scene = await ReplicaScene.open(PROCESSES)
      scene.beginMining()
      await Promise.all(scene.replicas.map(({ service }) => service.start()))
      await onlyOneFollows(scene)

      const reports = keepReporting(scene.balancer.url)
      const viewers = (['websocket', 'polling'] as const).map((transport) =>
        openViewer(scene.balancer.url, [transport]),
      )
      for (const viewer of viewers) scene.onClose(() => viewer.close())

      const tookMs = { killed: [] as number[], frozen: [] as number[], stopped: [] as number[] }
      for (let round = 0; round < ROUNDS; round += 1) {
        tookMs.killed.push(await killHolder(scene))
        tookMs.frozen.push(await freezeHolder(scene))
        tookMs.stopped.push(await stopHolder(scene))
      }
      await reports.finish()
      scene.endMining()
      await scene.settled()
      if (ROUNDS > 1) console.log('takeovers', JSON.stringify(tookMs))

      for (const durationMs of Object.values(tookMs).flat()) expect(durationMs).toBeLessThan(TAKEOVER_MS_MAX)
      await checkStored(scene, reports, viewers)
      for (const { service } of scene.replicas) await service.stop()
    },
  )
})

/** Two processes up, one asks the nodes: the other one has not sent a single request. */
async function onlyOneFollows(scene: ReplicaScene): Promise<void> {
  await until('all say that the chain is live', async () => {
    const chains = await Promise.all(scene.replicas.map((replica) => replica.chain()))
    return chains.every((chain) => chain?.state === 'live')
  })
  const from = scene.chain.head.number
  await until('some blocks have passed', () => scene.chain.head.number >= from + 8n)
  const holder = await scene.holder()
  expect(holder).not.toBeNull()
  for (const replica of scene.replicas) {
    const { followed, head, endpoints } = (await replica.chain())!
    expect(followed).toBe(replica === holder ? 'here' : 'elsewhere')
    // Those who stand by tell what the one that follows has told them.
    expect(BigInt(head!)).toBeGreaterThanOrEqual(from)
    expect(endpoints.map(({ healthy }) => healthy)).toEqual([true, true])
    expect(replica.proxy.count() > 0).toBe(replica === holder)
    expect(replica.proxy.sockets.total).toBe(replica === holder ? 1 : 0)
  }
}

async function killHolder(scene: ReplicaScene): Promise<number> {
  const holder = await holderOf(scene)
  await holder.service.kill('group')
  const { durationMs } = await scene.takenOver(holder)
  await holder.service.start()
  await until('it stands by', async () => (await holder.chain())?.followed === 'elsewhere')
  return durationMs
}

/** It thaws when another one follows the chain, and finds that out before it writes anything. */
async function freezeHolder(scene: ReplicaScene): Promise<number> {
  const holder = await holderOf(scene)
  holder.service.send('SIGSTOP')
  const { durationMs } = await scene.takenOver(holder)
  await sleep(500)
  holder.service.send('SIGCONT')
  await until('it stands by', async () => (await holder.chain())?.followed === 'elsewhere')
  const { calls, sockets } = holder.proxy
  const before = [...calls.values()].reduce((sum, count) => sum + count, 0)
  const from = scene.chain.head.number
  await until('blocks go on', () => scene.chain.head.number >= from + 3n)
  expect(holder.proxy.count()).toBe(before)
  expect(sockets.open).toBe(0)
  return durationMs
}

/** A stop in good order lets the lease go, so that nobody waits until it has run out. */
async function stopHolder(scene: ReplicaScene): Promise<number> {
  const holder = await holderOf(scene)
  const client = await scene.client()
  const epochOf = async (): Promise<{ readonly epoch: string; readonly holder: string | null }> =>
    (await client.query(`select epoch, holder from tidemark.lease where name = 'chain:${CHAIN_ID}'`)).rows[0]
  const before = await epochOf()
  const takenOver = scene.takenOver(holder)
  await holder.service.stop()
  const after = await epochOf()
  expect(after.holder === null || BigInt(after.epoch) > BigInt(before.epoch)).toBe(true)
  const { durationMs } = await takenOver
  await holder.service.start()
  await until('it stands by', async () => (await holder.chain())?.followed === 'elsewhere')
  return durationMs
}

async function holderOf(scene: ReplicaScene): Promise<Replica> {
  let holder: Replica | null = null
  await until('a process follows the chain', async () => (holder = await scene.holder()))
  if (holder === null) throw new Error('invariant: there is one')
  return holder
}

async function checkStored(scene: ReplicaScene, reports: Reports, viewers: readonly Viewer[]): Promise<void> {
  const client = await scene.client()
  const stored = await readStoredChain(client, CHAIN_ID)
  expect(stored.cursor?.hash).toBe(scene.chain.head.hash)
  const counts = checkChain(stored, scene.truth)
  expect(counts.map(({ unseen, sampled }) => ({ unseen, sampled }))).toEqual(
    counts.map(() => ({ unseen: 0, sampled: 0 })),
  )
  expect(counts.reduce((sum, { records }) => sum + records, 0)).toBeGreaterThan(50)

  const { events, head } = await scene.log()
  checkLog(events, head)
  const fold = new EventFold()
  for (const event of events) fold.add(event)
  fold.compare(CHAIN_ID, stored)

  const saved = events.filter((event) => event.type === 'snapshot.saved').map(({ data }) => data.id)
  expect(saved).toEqual(reports.acknowledged)
  expect(saved.length).toBeGreaterThan(20)
  const expected = events.map(({ seq }) => Number(seq))
  for (const viewer of viewers) {
    await until('a viewer has seen everything', () => viewer.seen.at(-1)?.seq === expected.at(-1))
    expect(viewer.seen.map(({ seq }) => seq)).toEqual(expected)
    expect(viewer.complaints).toEqual([])
    expect(viewer.connections).toBeGreaterThan(1)
  }
}
