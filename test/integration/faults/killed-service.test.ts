import { afterEach, expect, it } from 'vitest'

import { createRandom, createWorld, startAnvil } from '../../../src/testing/index.js'
import type { WireChain } from '../../../src/api/chain-wire.js'
import { createService } from '../../e2e/chain-service.js'
import { expectedRecords, plain, storedRecords } from '../../e2e/chain-truth.js'
import { longTimeoutMs, times } from '../../support/long.js'
import { until } from '../../support/until.js'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

it(
  'A service that is killed again and again misses no record and has none twice',
  { timeout: longTimeoutMs * 2 },
  async () => {
    const anvil = await startAnvil({ blockTimeSeconds: 'manual' })
    closing.push(() => anvil.stop())
    const world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 31, solverCount: 3 })
    const service = await createService({
      [`CHAIN_${anvil.chainId}_RPC_URL`]: anvil.rpcUrl,
      [`CHAIN_${anvil.chainId}_POLL_INTERVAL_MS`]: '50',
      SOLVER_ADDRESSES: world.solvers.join(','),
      [`CHAIN_${anvil.chainId}_TOKENS`]: world.tokens.map(({ address }) => address).join(','),
    })
    closing.push(() => service.dispose())
    await service.start()
    const processed = async (): Promise<bigint> => {
      const { items } = await service.get<{ readonly items: readonly WireChain[] }>('/api/chains')
      const own = items.find(({ chainId }) => chainId === world.chainId.toString())
      return BigInt(own?.processed ?? -1)
    }
    await until('the first block is processed', async () => (await processed()) >= world.setupBlock)
    const random = createRandom(31)
    let head = world.setupBlock
    for (let round = 0; round < times(4, 50); round += 1) {
      const blocks = random.integer(1, 6)
      for (let count = 0; count < blocks; count += 1) {
        await world.step()
        head = await world.mine()
      }
      // Some kills come while blocks are written, some after, some before.
      if (random.integer(0, 1) === 0)
        await until('some blocks are processed', async () => (await processed()) > head - 2n)
      await service.kill()
      await service.start()
    }
    await until('all blocks are processed', async () => (await processed()) >= head)
    const records = await storedRecords(service, world.chainId, world.positions)
    expect(records.map(plain)).toEqual(await expectedRecords(anvil.rpcUrl, world.positions, [world.setupBlock, head]))
    await service.stop()
  },
)
