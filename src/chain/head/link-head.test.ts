import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { BlockHeader } from '../../model/block.js'
import type { Hash } from '../../model/position.js'
import { DeepReorgError, LINK_BATCH, linkHead } from './link-head.js'
import type { HeaderSource } from './link-head.js'
import { longTimeoutMs, times } from '../../../test/support/long.js'

/** A chain that can be extended and reorganised, and the node that shows it. */
class ModelChain implements HeaderSource {
  readonly #all = new Map<Hash, BlockHeader>()
  canonical: BlockHeader[] = []

  get tip(): BlockHeader {
    const tip = this.canonical.at(-1)
    if (tip === undefined) throw new Error('expected a block')
    return tip
  }

  extend(count: number): void {
    for (let index = 0; index < count; index += 1) {
      const parent = this.canonical.at(-1)
      const number = BigInt(this.canonical.length)
      const hash = hashOf(this.#all.size + 1)
      const header = { number, hash, parentHash: parent?.hash ?? hashOf(0), timestampSeconds: Number(number) }
      this.#all.set(hash, header)
      this.canonical.push(header)
    }
  }

  reorg(depth: number, replacement: number): void {
    this.canonical = this.canonical.slice(0, Math.max(1, this.canonical.length - depth))
    this.extend(replacement)
  }

  byHash(hash: Hash): Promise<BlockHeader> {
    const header = this.#all.get(hash)
    return header === undefined ? Promise.reject(new Error(`unknown block ${hash}`)) : Promise.resolve(header)
  }

  byNumber(first: bigint, count: number): Promise<readonly BlockHeader[]> {
    return Promise.resolve(this.canonical.slice(Number(first), Number(first) + count))
  }
}

/** Takes steps towards a head until there is none left, as the chain's watcher does. */
async function follow(kept: readonly BlockHeader[], head: BlockHeader, source: HeaderSource): Promise<BlockHeader[]> {
  let chain = [...kept]
  for (let steps = 0; steps < 1000; steps += 1) {
    const step = await linkHead(chain, head, source)
    switch (step.kind) {
      case 'none':
        return chain
      case 'extend':
        expect(step.headers.length).toBeGreaterThan(0)
        chain.push(...step.headers)
        break
      case 'reorg': {
        const above = chain.filter(({ number }) => number > step.ancestor.number)
        expect(above.length).toBeGreaterThan(0)
        expect(step.orphaned.map(({ hash }) => hash)).toEqual(above.map(({ hash }) => hash).toReversed())
        expect(chain).toContainEqual(step.ancestor)
        chain = chain.filter(({ number }) => number <= step.ancestor.number)
        break
      }
    }
    for (const [index, header] of chain.entries()) {
      if (index > 0) expect(header.parentHash).toBe(chain[index - 1]?.hash)
    }
  }
  throw new Error('expected the steps to end')
}

const moves = fc.oneof(
  fc.record({ kind: fc.constant('extend' as const), count: fc.integer({ min: 1, max: 3 * LINK_BATCH }) }),
  fc.record({
    kind: fc.constant('reorg' as const),
    depth: fc.integer({ min: 1, max: 60 }),
    count: fc.integer({ min: 1, max: 70 }),
  }),
)
/** How many of the chain's moves go unseen, and how far behind the tip a node may be that shows its head meanwhile. */
const looks = fc.record({
  moves: fc.array(moves, { minLength: 1, maxLength: 4 }),
  behind: fc.integer({ min: 0, max: 50 }),
})

describe('linkHead', () => {
  it(
    'leads from any kept chain to the chain of any head, and never follows a node that is behind',
    { timeout: longTimeoutMs },
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(looks, { maxLength: 12 }), async (sequence) => {
          const chain = new ModelChain()
          chain.extend(100)
          let kept = [...chain.canonical]
          for (const look of sequence) {
            for (const move of look.moves) {
              if (move.kind === 'extend') chain.extend(move.count)
              else chain.reorg(move.depth, move.count)
            }
            kept = await follow(kept, chain.tip, chain)
            expect(kept).toEqual(chain.canonical)
            const lagging = chain.canonical.at(-1 - look.behind)
            if (lagging !== undefined) expect(await linkHead(kept, lagging, chain)).toEqual({ kind: 'none' })
          }
        }),
        { numRuns: times(40, 1500) },
      )
    },
  )

  it('takes any head as the first block of a chain that has none', async () => {
    const chain = new ModelChain()
    chain.extend(5)
    expect(await linkHead([], chain.tip, chain)).toEqual({ kind: 'extend', headers: [chain.tip] })
  })

  it('takes a lower head for a reorganisation when its parents prove it', async () => {
    const chain = new ModelChain()
    chain.extend(20)
    const kept = [...chain.canonical]
    chain.reorg(10, 3)
    const step = await linkHead(kept, chain.tip, chain)
    expect(step).toMatchObject({ kind: 'reorg', ancestor: { number: 9n } })
  })

  it('gives up, and says so, when the fork lies below the kept headers', async () => {
    const chain = new ModelChain()
    chain.extend(50)
    const kept = chain.canonical.slice(40)
    chain.reorg(30, 40)
    await expect(linkHead(kept, chain.tip, chain)).rejects.toBeInstanceOf(DeepReorgError)
  })

  it('waits for headers that the node does not show yet', async () => {
    const chain = new ModelChain()
    chain.extend(10)
    const kept = [...chain.canonical]
    chain.extend(5)
    const behind: HeaderSource = { byHash: (hash) => chain.byHash(hash), byNumber: () => Promise.resolve([]) }
    await expect(linkHead(kept, chain.tip, behind)).rejects.toMatchObject({
      code: 'rpc_block_unavailable',
      retryable: true,
    })
  })

  it('stops where headers of two branches meet in one answer', async () => {
    const chain = new ModelChain()
    chain.extend(10)
    const kept = [...chain.canonical]
    chain.extend(6)
    const old = [...chain.canonical]
    chain.reorg(3, 5)
    const torn: HeaderSource = {
      byHash: (hash) => chain.byHash(hash),
      byNumber: (first, count) =>
        Promise.resolve(
          [...old.slice(0, 15), ...chain.canonical.slice(15)].slice(Number(first), Number(first) + count),
        ),
    }
    const step = await linkHead(kept, chain.tip, torn)
    expect(step.kind === 'extend' && step.headers.map(({ hash }) => hash)).toEqual(
      old.slice(10, 15).map(({ hash }) => hash),
    )
  })
})

function hashOf(number: number): Hash {
  return `0x${number.toString(16).padStart(64, '0')}`
}
