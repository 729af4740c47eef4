import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { Holding } from '../../src/testing/index.js'
import { createWorld, startAnvil } from '../../src/testing/index.js'
import type { Anvil, World } from '../../src/testing/index.js'
import { createRpc } from '../../src/testing/rpc.js'
import { until } from '../support/until.js'
import { follow, mineActivity } from './chain-fixture.js'
import type { Follower } from './chain-fixture.js'
import { startProxy } from './chain-proxy.js'
import type { Intercept, RpcProxy } from './chain-proxy.js'

let anvil: Anvil
let world: World
let proxies: RpcProxy[]
let follower: Follower | undefined

beforeEach(async () => {
  anvil = await startAnvil({ blockTimeSeconds: 'manual' })
  world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 21, solverCount: 3 })
  proxies = [await startProxy(anvil), await startProxy(anvil)]
})

afterEach(async () => {
  await follower?.close()
  follower = undefined
  for (const proxy of proxies) await proxy.close()
  await anvil.stop()
})

async function start(agreement = 1): Promise<Follower> {
  follower = await follow({
    rpcUrls: proxies.map(({ url }) => url),
    tokens: world.tokens.map(({ address }) => address),
    solvers: world.solvers,
    agreement,
  })
  return follower
}

/** The native balance of each solver as the node has it now, and as it was recorded last. */
async function expectNativeTruth(following: Follower): Promise<void> {
  const rpc = createRpc(anvil.rpcUrl)
  for (const solver of world.solvers) {
    const holding: Holding = { token: 'native', solver }
    const records = await following.records(holding)
    expect(records.at(-1)?.balance).toBe(BigInt(String(await rpc.request('eth_getBalance', [solver, 'latest']))))
  }
}

describe('two endpoints of one chain', () => {
  it('that now and then show older heads cause no rollback, and no block is missed', async () => {
    const following = await start()
    await following.reached(await mineActivity(world, 2))
    let asked = 0
    const balanced: Intercept = async (call, forward) => {
      if (call.method !== 'eth_getBlockByNumber' || call.params[0] !== 'latest') return forward(call)
      asked += 1
      // Every other look goes to a backend that is three blocks behind.
      if (asked % 2 === 0) return forward(call)
      const head = await forward({ method: 'eth_blockNumber', params: [] })
      const number = 'result' in head ? BigInt(String(head.result)) : 0n
      return forward({ method: call.method, params: [`0x${(number - 3n).toString(16)}`, false] })
    }
    for (const proxy of proxies) proxy.intercept(balanced)
    for (let count = 0; count < 8; count += 1) await following.reached(await mineActivity(world, 1))
    expect(asked).toBeGreaterThan(8)
    expect(following.log.filter(({ message }) => message.startsWith('chain reorganised'))).toEqual([])
    await expectNativeTruth(following)
  })

  it('hold a head back while they contradict each other, say so, and go on when they agree', async () => {
    const [, lying] = proxies
    if (lying === undefined) throw new Error('expected two proxies')
    const following = await start(2)
    const agreed = await mineActivity(world, 2)
    await following.reached(agreed)
    lying.intercept(async (call, forward) => {
      const answer = await forward(call)
      if (call.method !== 'eth_getBlockByNumber' || !('result' in answer) || answer.result === null) return answer
      const block = answer.result as { readonly number: string; readonly hash: string }
      if (BigInt(block.number) <= agreed) return answer
      return { result: { ...block, hash: `0x${'ab'.repeat(32)}` } }
    })
    const head = await mineActivity(world, 1)
    await until('the dispute is told', async () => (await following.chain()).state === 'degraded')
    const told = await following.chain()
    expect(told.processed).toBe(agreed)
    expect(told.reason).toContain(`expected 2 endpoints to show block ${head}`)
    lying.intercept(null)
    await following.reached(head)
    await until('the chain is live', async () => (await following.chain()).state === 'live')
    await expectNativeTruth(following)
  })
})

describe('a reorganisation deeper than the kept headers', () => {
  it('is followed to the chain as it is now, and told as an error', async () => {
    await mineActivity(world, 1)
    await createRpc(anvil.rpcUrl).request('anvil_mine', ['0x78'])
    await world.resync()
    const following = await start()
    await following.reached(await mineActivity(world, 4))
    await world.reorg(90)
    await following.reached(await mineActivity(world, 92))
    await until('the chain is live', async () => (await following.chain()).state === 'live')
    // The node calls final what is 64 blocks old: what was taken back was more than that.
    const errors = following.log.filter(({ level }) => level === 'error')
    expect(errors.map(({ message }) => message)).toEqual(['blocks that the chain called final were reorganised'])
    expect(errors[0]?.fields['depth']).toBeGreaterThan(64)
    await expectNativeTruth(following)
  })
})
