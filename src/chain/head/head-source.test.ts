import { describe, expect, it } from 'vitest'

import { LeapingClock } from '../../../test/support/leaping-clock.js'
import { recordLog } from '../../../test/support/log-recorder.js'
import { branchOf, headerNode } from '../../../test/support/played-chain.js'
import { playNodes } from '../../../test/support/played-nodes.js'
import type { BlockHeader } from '../../model/block.js'
import { ChainStatus } from '../chain-status.js'
import { RpcClient } from '../rpc/rpc-client.js'
import { HeadSource } from './head-source.js'

/** A source of heads over nodes that show what `shown` gives for them at the moment. */
function sourceOf(shown: Readonly<Record<string, () => readonly BlockHeader[]>>, agreement = 1) {
  const clock = new LeapingClock()
  const nodes = Object.entries(shown).map(([host, chain]) => [host, headerNode(chain, new Map())] as const)
  const { transport, requests } = playNodes(clock, Object.fromEntries(nodes))
  const { logger } = recordLog()
  const abort = new AbortController()
  const urls = Object.keys(shown).map((host) => `http://${host}`)
  const client = new RpcClient({ chainId: 1n, urls, clock, transport, logger, signal: abort.signal })
  const status = new ChainStatus()
  status.caughtUp()
  const source = new HeadSource({
    chainId: 1n,
    client,
    wsUrls: [],
    pollIntervalMs: null,
    blockTimeMs: 1000,
    agreement,
    status,
    clock,
    transport,
    logger,
  })
  return { source, status, clock, requests, abort }
}

const chain = branchOf(null, 100, 1)

describe('a chain that makes no blocks', () => {
  it('is called stalled after a while, is asked ever more rarely, and is live with its next block', async () => {
    let shown = chain.slice(0, 50)
    const { source, status, clock, requests } = sourceOf({ only: () => shown })
    for (let looks = 0; clock.monotonicMs() < 110_000 && looks < 1000; looks += 1) await source.next()
    expect(status.state).toBe('live')
    while (clock.monotonicMs() < 200_000) await source.next()
    expect(status.state).toBe('stalled')
    expect(status.reason).toMatch(/^no block above 49 for \d+ s$/)
    const late = requests.filter(({ atMs }) => atMs > 100_000).length
    expect(late).toBeLessThan(20)
    shown = chain.slice(0, 51)
    expect(await source.next()).toEqual(chain[50])
    expect(status.state).toBe('live')
  })
})

describe('heads that need the agreement of two endpoints', () => {
  it('wait for the one that only lacks the block', async () => {
    let second = chain.slice(0, 49)
    const { source, status, clock } = sourceOf({ first: () => chain.slice(0, 50), second: () => second }, 2)
    clock.schedule(2000, () => {
      second = chain.slice(0, 50)
    })
    expect(await source.next()).toEqual(chain[49])
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(2000)
    expect(status.state).toBe('live')
  })

  it('are held back while the endpoints contradict each other, which is told', async () => {
    const other = [...chain.slice(0, 40), ...branchOf(chain[39] ?? null, 10, 2)]
    let second = other
    const { source, status, clock } = sourceOf({ first: () => chain.slice(0, 50), second: () => second }, 2)
    let told: string | null = null
    clock.schedule(20_000, () => {
      told = status.reason
      expect(status.state).toBe('degraded')
      second = chain.slice(0, 50)
    })
    expect(await source.next()).toEqual(chain[49])
    expect(told).toContain('expected 2 endpoints to show block 49')
    expect(status.state).toBe('live')
  })

  it('take headers between only from a chain that two show', async () => {
    const other = [...chain.slice(0, 40), ...branchOf(chain[39] ?? null, 60, 2)]
    const { source } = sourceOf({ first: () => chain, second: () => other }, 2)
    expect(await source.byNumber(10n, 20)).toEqual(chain.slice(10, 30))
    await expect(source.byNumber(30n, 20)).rejects.toMatchObject({ code: 'rpc_block_unavailable' })
  })
})
