import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { LeapingClock } from '../../../test/support/leaping-clock.js'
import { recordLog } from '../../../test/support/log-recorder.js'
import type { LogLine } from '../../../test/support/log-recorder.js'
import { longTimeoutMs, times } from '../../../test/support/long.js'
import { branchOf, headerNode } from '../../../test/support/played-chain.js'
import { playNodes } from '../../../test/support/played-nodes.js'
import type { BlockHeader, BlockRef } from '../../model/block.js'
import { ChainStatus } from '../chain-status.js'
import { RpcClient } from '../rpc/rpc-client.js'
import { fetchHeaderByHash, fetchHeadersByNumber, fetchLatestHeader } from './fetch-headers.js'
import { stepTowards } from './step-towards.js'
import type { StepOptions } from './step-towards.js'

interface Watched {
  readonly options: StepOptions & { readonly status: ChainStatus }
  readonly log: readonly LogLine[]
  latest(): Promise<BlockHeader>
}

/** A known chain of which only the last headers are kept, and of the rest every so many blocks. */
function watch(
  known: { readonly chain: readonly BlockHeader[]; readonly kept: number; readonly storedEvery: number },
  chains: Readonly<Record<string, readonly BlockHeader[]>>,
  finalized: bigint | null = null,
): Watched {
  const all = new Map([...Object.values(chains), known.chain].flat().map((header) => [header.hash, header]))
  const clock = new LeapingClock()
  const nodes = Object.entries(chains).map(([host, chain]) => [host, headerNode(() => chain, all)] as const)
  const { transport } = playNodes(clock, Object.fromEntries(nodes))
  const { logger, lines } = recordLog()
  const { signal } = new AbortController()
  const urls = Object.keys(chains).map((host) => `http://${host}`)
  const client = new RpcClient({ chainId: 1n, urls, clock, transport, logger, signal })
  const status = new ChainStatus()
  status.caughtUp()
  const stored = known.chain.filter(({ number }) => Number(number) % known.storedEvery === 1).toReversed()
  const view = {
    headers: known.chain.slice(-known.kept),
    finality: { safe: null, finalized },
    genesisHash: null,
    knownBlocks: (below: bigint, limit: number): Promise<readonly BlockRef[]> =>
      Promise.resolve(stored.filter(({ number }) => number < below).slice(0, limit)),
  }
  const heads = {
    byHash: (hash: BlockHeader['hash']) => fetchHeaderByHash(client, hash),
    byNumber: (first: bigint, count: number) => fetchHeadersByNumber(client, first, count),
  }
  return { options: { client, heads, view, status, logger }, log: lines, latest: () => fetchLatestHeader(client) }
}

describe('a reorganisation deeper than the kept headers', () => {
  it(
    'goes back to the newest known block that still is canonical, whatever blocks are known',
    { timeout: longTimeoutMs },
    async () => {
      const shapes = fc.record({
        length: fc.integer({ min: 40, max: 1500 }),
        kept: fc.integer({ min: 2, max: 30 }),
        storedEvery: fc.integer({ min: 2, max: 60 }),
        forkAt: fc.integer({ min: 2, max: 1000 }),
        grown: fc.integer({ min: -5, max: 20 }),
      })
      await fc.assert(
        fc.asyncProperty(shapes, async ({ length, kept, storedEvery, forkAt, grown }) => {
          const chain = branchOf(null, length, 1)
          const fork = Math.min(forkAt, length - kept - 2)
          const branch = branchOf(chain[fork] ?? null, length - fork - 1 + grown, 2)
          const present = [...chain.slice(0, fork + 1), ...branch]
          const { options, log, latest } = watch({ chain, kept, storedEvery }, { only: present })
          const step = await stepTowards(await latest(), options)
          const known = chain.filter(
            ({ number }) => Number(number) % storedEvery === 1 || Number(number) >= length - kept,
          )
          const lowestOrphaned = known.find(({ number }) => Number(number) > fork)
          if (Number(lowestOrphaned?.number) >= present.length) {
            // The node has no block in the place of a known one: it may only be behind, so nothing is taken back yet.
            expect(step).toEqual({ kind: 'none' })
            return
          }
          if (step.kind !== 'reorg') throw new Error(`expected a reorganisation, got ${step.kind}`)
          const canonical = known.filter(({ number }) => Number(number) <= fork)
          expect(step.ancestor).toEqual(canonical.at(-1) ?? chain[Number((known[0]?.number ?? 0n) - 1n)])
          expect(step.orphaned.map(({ hash }) => hash)).toEqual(
            known
              .filter(({ number }) => Number(number) > fork)
              .map(({ hash }) => hash)
              .toReversed(),
          )
          expect(log.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
            'chain reorganised deeper than the headers that are kept',
          ])
        }),
        { numRuns: times(40, 600) },
      )
    },
  )

  it('goes back below the oldest known block when none is canonical any more', async () => {
    const chain = branchOf(null, 300, 1)
    const present = [...chain.slice(0, 10), ...branchOf(chain[9] ?? null, 295, 2)]
    const known = { chain: chain.slice(100), kept: 20, storedEvery: 50 }
    const { options, latest } = watch(known, { only: present })
    const step = await stepTowards(await latest(), options)
    expect(step.kind === 'reorg' && step.ancestor).toEqual(present[100])
  })

  it('is told as one of final blocks when it is', async () => {
    const chain = branchOf(null, 300, 1)
    const present = [...chain.slice(0, 200), ...branchOf(chain[199] ?? null, 105, 2)]
    const { options, latest, log } = watch({ chain, kept: 20, storedEvery: 50 }, { only: present }, 250n)
    expect((await stepTowards(await latest(), options)).kind).toBe('reorg')
    expect(log.find(({ level }) => level === 'error')?.message).toBe(
      'blocks that the chain called final were reorganised',
    )
  })
})

describe('a node that is behind', () => {
  it.each([1, 15, 25, 120, 290])('by %d blocks is no reorganisation', async (behind) => {
    const chain = branchOf(null, 300, 1)
    const { options, latest } = watch({ chain, kept: 20, storedEvery: 7 }, { only: chain.slice(0, -behind) })
    expect(await stepTowards(await latest(), options)).toEqual({ kind: 'none' })
  })

  it('on an abandoned branch, longer or shorter, is not followed while the others know better', async () => {
    for (const [stale, own] of [
      [12, 10],
      [10, 12],
      [10, 10],
    ] as const) {
      const root = branchOf(null, 50, 1)
      const chain = [...root, ...branchOf(root.at(-1) ?? null, own, 2)]
      const abandoned = [...root, ...branchOf(root.at(-1) ?? null, stale, 3)]
      const known = { chain, kept: 40, storedEvery: 10 }
      const { options, latest } = watch(known, { stale: abandoned, well: chain, other: chain })
      expect(await stepTowards(await latest(), options)).toEqual({ kind: 'none' })
      expect(options.status.state).toBe('degraded')
      expect(options.status.reason).toContain('1 endpoints show it, 2 another block')
      // The next look is at another endpoint.
      expect(await latest()).toEqual(chain.at(-1))
    }
  })

  it('does not hold up a reorganisation that the others show', async () => {
    const root = branchOf(null, 50, 1)
    const chain = [...root, ...branchOf(root.at(-1) ?? null, 10, 2)]
    const present = [...root, ...branchOf(root.at(-1) ?? null, 8, 3)]
    const known = { chain, kept: 40, storedEvery: 10 }
    const { options, latest } = watch(known, { well: present, other: present, stale: chain })
    expect(await stepTowards(await latest(), options)).toMatchObject({ kind: 'reorg', ancestor: root.at(-1) })
    expect(options.status.state).toBe('live')
  })

  it('is told from one that is ahead by the longer chain where only two are asked', async () => {
    const root = branchOf(null, 50, 1)
    const chain = [...root, ...branchOf(root.at(-1) ?? null, 3, 2)]
    const present = [...root, ...branchOf(root.at(-1) ?? null, 4, 3)]
    const known = { chain, kept: 40, storedEvery: 10 }
    const ahead = watch(known, { ahead: present, behind: chain })
    expect(await stepTowards(await ahead.latest(), ahead.options)).toMatchObject({ kind: 'reorg' })
    const shorter = watch(known, { shorter: present.slice(0, -2), behind: chain })
    expect(await stepTowards(await shorter.latest(), shorter.options)).toEqual({ kind: 'none' })
  })
})

it('A chain that got shorter on another branch is followed when its only node shows it again', async () => {
  const root = branchOf(null, 50, 1)
  const chain = [...root, ...branchOf(root.at(-1) ?? null, 10, 2)]
  const present = [...root, ...branchOf(root.at(-1) ?? null, 4, 3)]
  const { options, latest } = watch({ chain, kept: 40, storedEvery: 10 }, { only: present })
  expect(await stepTowards(await latest(), options)).toMatchObject({ kind: 'reorg', ancestor: root.at(-1) })
})
