import { encodeDeployData, encodeFunctionData, parseEther } from 'viem'
import { afterEach, describe, expect, it } from 'vitest'

import type { WireBalanceRecord } from '../../src/api/balance-wire.js'
import type { WireChain } from '../../src/api/chain-wire.js'
import { parseAddress } from '../../src/model/address.js'
import type { Address } from '../../src/model/address.js'
import { testToken } from '../../src/testing/contracts/artifacts.js'
import type { Holding } from '../../src/testing/index.js'
import { createRandom } from '../../src/testing/random.js'
import { createRpc } from '../../src/testing/rpc.js'
import type { Rpc } from '../../src/testing/rpc.js'
import { createSender } from '../../src/testing/world-sender.js'
import type { WorldTransaction } from '../../src/testing/world-sender.js'
import { seededWallets, treasuryWallet } from '../../src/testing/world-wallet.js'
import { startGeth, whyNoGeth } from '../support/geth.js'
import type { Geth } from '../support/geth.js'
import { longTimeoutMs } from '../support/long.js'
import { until } from '../support/until.js'
import { createService, freePort } from './chain-service.js'
import type { ServiceUnderTest } from './chain-service.js'
import { expectedRecords, headerAt, plain, storedRecords } from './chain-truth.js'
import { openViewer } from './chain-viewer.js'

const inLongForm = process.env['TIDEMARK_TEST_LONG'] === '1'
const missing = inLongForm ? whyNoGeth() : 'only in the long form'
if (inLongForm && missing !== null) process.stderr.write(`SKIPPED: the built service against a real geth: ${missing}\n`)

const closing: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const title = `the built service against a real geth${missing === null ? '' : ` (skipped: ${missing})`}`

describe.skipIf(missing !== null)(title, { timeout: longTimeoutMs }, () => {
  it.each(['websocket', 'poll'] as const)(
    'records exactly what geth answers, through debug_setHead, hearing of heads by %s',
    async (heads) => {
      const geth = await startGeth({ http: await freePort(), ws: await freePort() })
      closing.push(() => geth.stop())
      const actors = await castOn(geth)
      const service = await watchedBy(geth, actors, heads)
      const viewer = openViewer(service.url)
      closing.push(() => viewer.close())
      const first = BigInt((await chainOf(service, geth)).processed ?? -1)

      await actors.act(12)
      const before = await caughtUp(geth, service)
      await compare(geth, service, actors.positions, first)

      const rpc = createRpc(geth.rpcUrl)
      const { number: head } = await headerAt(geth.rpcUrl, 'latest')
      const undone = await headerAt(geth.rpcUrl, head - 1n)
      await rpc.request('debug_setHead', [`0x${(head - 3n).toString(16)}`])
      await actors.act(8)
      expect((await headerAt(geth.rpcUrl, undone.number)).hash).not.toBe(undone.hash)
      const after = await caughtUp(geth, service)
      expect(after).toBeGreaterThan(before)

      const records = await compare(geth, service, actors.positions, first)
      expect(records.length).toBeGreaterThan(20)
      expect(viewer.of('balance:reverted').length).toBeGreaterThan(0)
      expect(viewer.complaints).toEqual([])
      // Nobody has more than the account that geth gives its money to: nearly 2^256.
      expect(records.some(({ balance }) => BigInt(balance) > 2n ** 255n)).toBe(true)
    },
  )
})

interface Actors {
  readonly solvers: readonly Address[]
  readonly token: Address
  readonly positions: readonly Holding[]
  /** Moves money about for so many blocks. */
  act(blocks: number): Promise<void>
}

/** A token, three wallets that have some of it, and geth's own rich account. */
async function castOn(geth: Geth): Promise<Actors> {
  const rpc = createRpc(geth.rpcUrl)
  const treasury = treasuryWallet()
  const wallets = seededWallets(7, 'solver', 3)
  const [rich] = (await rpc.request('eth_accounts')) as readonly string[]
  const richest = addressOf(rich)
  const value = `0x${parseEther('1000').toString(16)}`
  for (const { address } of [treasury, ...wallets]) {
    await mined(rpc, await rpc.request('eth_sendTransaction', [{ from: richest, to: address, value }]))
  }
  const sender = createSender({ rpc, chainId: geth.chainId, wallets: [treasury, ...wallets] })
  const deployed = await mined(
    rpc,
    ...(await sender.send([
      {
        from: treasury.address,
        data: encodeDeployData({ ...testToken, args: ['USD Coin', 'USDC', 6] }),
        gas: 2_000_000n,
      },
    ])),
  )
  const token = addressOf(deployed['contractAddress'])
  const holders = [treasury, ...wallets].map(({ address }) => address)
  const mint = encodeFunctionData({ abi: testToken.abi, functionName: 'mintMany', args: [holders, 10n ** 12n] })
  await mined(rpc, ...(await sender.send([{ from: treasury.address, to: token, data: mint, gas: 500_000n }])))

  const solvers = [...wallets.map(({ address }) => address), richest]
  const random = createRandom(7)
  const transaction = (): WorldTransaction => {
    const from = random.pick([treasury, ...wallets]).address
    const to = random.pick(holders.filter((holder) => holder !== from))
    const amount = BigInt(random.integer(1, 1_000_000))
    if (random.integer(0, 1) === 0) return { from, to, value: amount, gas: 21_000n }
    const data = encodeFunctionData({ abi: testToken.abi, functionName: 'transfer', args: [to, amount] })
    return { from, to: token, data, gas: 100_000n }
  }
  return {
    solvers,
    token,
    positions: solvers.flatMap((solver) => [
      { token: 'native', solver },
      { token, solver },
    ]),
    async act(blocks) {
      // What geth forgot with its newest blocks, it may have put back among what waits: it knows the nonces.
      sender.forgetNonces()
      const start = await rpc.quantity('eth_blockNumber')
      for (let head = start; head < start + BigInt(blocks);) {
        await sender.send([transaction(), transaction(), transaction()])
        await until('geth makes a block', async () => (await rpc.quantity('eth_blockNumber')) > head)
        head = await rpc.quantity('eth_blockNumber')
      }
    },
  }
}

/** The receipt of the last one, when all are in blocks and none failed. */
async function mined(rpc: Rpc, ...hashes: readonly unknown[]): Promise<Readonly<Record<string, unknown>>> {
  let receipt: Readonly<Record<string, unknown>> | null = null
  for (const hash of hashes) {
    await until('a transaction is in a block', async () => {
      receipt = (await rpc.request('eth_getTransactionReceipt', [hash])) as typeof receipt
      return receipt !== null
    })
    expect(receipt).toMatchObject({ status: '0x1' })
  }
  if (receipt === null) throw new Error('expected a transaction')
  return receipt
}

async function watchedBy(geth: Geth, actors: Actors, heads: 'websocket' | 'poll'): Promise<ServiceUnderTest> {
  const prefix = `CHAIN_${geth.chainId}`
  const service = await createService({
    [`${prefix}_RPC_URL`]: geth.rpcUrl,
    [`${prefix}_TOKENS`]: actors.token,
    ...(heads === 'websocket' ? { [`${prefix}_WS_URL`]: geth.wsUrl } : { [`${prefix}_POLL_INTERVAL_MS`]: '200' }),
    SOLVER_ADDRESSES: actors.solvers.join(','),
  })
  closing.push(() => service.dispose())
  await service.start()
  await until('the chain is followed', async () => (await chainOf(service, geth)).state === 'live')
  return service
}

async function chainOf(service: ServiceUnderTest, geth: Geth): Promise<WireChain> {
  const { items } = await service.get<{ readonly items: readonly WireChain[] }>('/api/chains')
  const chain = items.find(({ chainId }) => chainId === geth.chainId.toString())
  if (chain === undefined) throw new Error('expected the chain to be known')
  return chain
}

/** Waits until a block is processed that was geth's newest one when asked. */
async function caughtUp(geth: Geth, service: ServiceUnderTest): Promise<bigint> {
  const { number } = await headerAt(geth.rpcUrl, 'latest')
  await until(
    'the service is at the head',
    async () => BigInt((await chainOf(service, geth)).processed ?? -1) >= number,
    30_000,
  )
  return number
}

/** Compares every record with what geth answers for every block, up to one that both know. */
async function compare(
  geth: Geth,
  service: ServiceUnderTest,
  positions: readonly Holding[],
  first: bigint,
): Promise<readonly WireBalanceRecord[]> {
  const last = await caughtUp(geth, service)
  const expected = await expectedRecords(geth.rpcUrl, positions, [first, last])
  const stored = (await storedRecords(service, geth.chainId, positions)).filter(
    ({ blockNumber }) => BigInt(blockNumber) <= last,
  )
  expect(stored.map(plain)).toEqual(expected)
  return stored
}

function addressOf(text: unknown): Address {
  const address = parseAddress(String(text))
  if (address === null) throw new Error(`expected an address, got ${String(text)}`)
  return address
}
