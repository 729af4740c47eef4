import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { BalanceManager } from '../src/index.js'
import type { Address } from '../src/model/address.js'
import { startProxy } from '../test/integration/chain-proxy.js'
import { anvilGround, modelGround } from './gap-ground.js'
import type { GapGround } from './gap-ground.js'

/** What making up for an absence costs. */
export interface GapFigures {
  readonly chain: string
  readonly blocks: number
  readonly positions: number
  readonly changes: number
  /** All requests from the start until the chain is followed at its head again. */
  readonly requests: number
  readonly seconds: number
  /** Records of the absence that the database holds afterwards. */
  readonly records: number
  /** Reading every position at every block. */
  readonly everyPositionEveryBlock: number
  readonly callsByMethod: string
}

const POSITIONS = 10_000

export async function measureGaps(): Promise<GapFigures[]> {
  return [
    await measureGap(await anvilGround(POSITIONS), { blocks: 300, changes: 1000 }),
    await measureGap(await modelGround(POSITIONS), { blocks: 7200, changes: 100 }),
  ]
}

async function measureGap(
  ground: GapGround,
  { blocks, changes }: { readonly blocks: number; readonly changes: number },
): Promise<GapFigures> {
  console.error(`gap: ${blocks} blocks with ${changes} changes, ${ground.positions} positions, ${ground.name} …`)
  const dataDir = await mkdtemp(join(tmpdir(), 'tidemark-bench-'))
  const proxy = await startProxy(ground)
  try {
    await follow({ ground, dataDir, url: proxy.url })
    await ground.pass(blocks, changes)
    const before = new Map(proxy.calls)
    const counted = proxy.count()
    const { seconds, records } = await follow({ ground, dataDir, url: proxy.url })
    const calls = [...proxy.calls]
      .map(([method, count]): [string, number] => [method, count - (before.get(method) ?? 0)])
      .filter(([, count]) => count > 0)
    return {
      chain: ground.name,
      blocks,
      positions: ground.positions,
      changes,
      requests: proxy.count() - counted,
      seconds,
      records,
      everyPositionEveryBlock: blocks * ground.positions,
      callsByMethod: calls.map(([method, count]) => `${method} ${count}`).join(', '),
    }
  } finally {
    await proxy.close()
    await ground.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}

interface FollowOptions {
  readonly ground: GapGround
  readonly dataDir: string
  readonly url: string
}

/** Follows the chain until the cursor stands at its head. */
async function follow({ ground, dataDir, url }: FollowOptions): Promise<{ seconds: number; records: number }> {
  const manager = new BalanceManager({
    config: {
      chains: [
        {
          chainId: ground.chainId,
          name: 'Bench',
          nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
          rpcUrls: [url],
          wsUrls: [],
          tokens: ground.tokens,
          blockTimeMs: null,
          pollIntervalMs: null,
          syncIntervalMs: 3_600_000,
        },
      ],
      solvers: ground.solvers.map((address: Address) => ({ address, label: null })),
      databaseUrl: null,
      dataDir,
    },
  })
  await manager.start()
  const startedAtMs = performance.now()
  let records = 0
  const unsubscribe = manager.events.subscribe((event) => {
    if (event.type === 'balance.updated') records += 1
  })
  const head = await ground.head()
  for (;;) {
    const [chain] = await manager.chains()
    if ((chain?.processed ?? -1n) >= head) break
    await sleep(20)
  }
  const seconds = (performance.now() - startedAtMs) / 1000
  await sleep(500)
  unsubscribe()
  await manager.close()
  return { seconds, records }
}
