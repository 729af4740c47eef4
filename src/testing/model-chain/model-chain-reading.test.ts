import { afterEach, describe, expect, it } from 'vitest'
import { keccak256 } from 'viem/utils'

import { readBalances } from '../../chain/balances/read-balances.js'
import { MULTICALL3_ADDRESS } from '../../chain/balances/scan-by-multicall.js'
import { fetchLatestHeader } from '../../chain/head/fetch-headers.js'
import { networkTransport } from '../../chain/rpc/node-transport.js'
import { RpcClient } from '../../chain/rpc/rpc-client.js'
import { systemClock } from '../../model/clock.js'
import { silentLogger } from '../../model/logger.js'
import type { Address } from '../../model/address.js'
import type { Hex, Token } from '../../model/position.js'
import { longTimeoutMs, times } from '../../../test/support/long.js'
import { createRandom } from '../random.js'
import { modelTokenKinds } from './model-token.js'
import type { NodeFeatures } from './node-features.js'
import { startModelChain } from './start-model-chain.js'
import type { ServedModelChain } from './start-model-chain.js'

const CHAIN_ID = 777n
const wallets: readonly Address[] = [1, 2, 3].map((n): Address => `0x${n.toString(16).padStart(40, 'a')}`)
const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function start(seed: number, features: Partial<NodeFeatures>, multicall: boolean): Promise<ServedModelChain> {
  const served = await startModelChain({
    chainId: CHAIN_ID,
    seed,
    features,
    wallets: wallets.map((address, index) => ({
      address,
      kind: (['plain', 'contract', 'delegated'] as const)[index] ?? 'plain',
      balance: 10n ** 19n,
    })),
    tokens: modelTokenKinds.map((kind) => ({ kind })),
    contracts: multicall ? { [MULTICALL3_ADDRESS]: await multicallCode() } : {},
  })
  closing.push(() => served.close())
  return served
}

function client(url: string): RpcClient {
  const abort = new AbortController()
  closing.push(() => abort.abort())
  return new RpcClient({
    chainId: CHAIN_ID,
    urls: [url],
    clock: systemClock,
    transport: networkTransport,
    logger: silentLogger,
    signal: abort.signal,
  })
}

describe.each([
  { node: 'with state overrides', features: {}, multicall: false, looks: 8 },
  { node: 'with state overrides and little gas', features: { callGasCap: 3_000_000 }, multicall: false, looks: 8 },
  { node: 'without state overrides, with Multicall3', features: { stateOverride: false }, multicall: true, looks: 2 },
  { node: 'without either', features: { stateOverride: false }, multicall: false, looks: 8 },
  {
    node: 'that passes state overrides over',
    features: { stateOverride: 'ignored' as const },
    multicall: false,
    looks: 8,
  },
])('readBalances of a model chain $node', ({ features, multicall, looks }) => {
  it('finds what the ledger holds, in every block of random activity', { timeout: longTimeoutMs }, async () => {
    for (let seed = 1; seed <= times(2, 60); seed += 1) {
      const { chain, rpcUrl, close } = await start(seed, features, multicall)
      const rpc = client(rpcUrl)
      const random = createRandom(seed)
      const tokens: readonly Token[] = ['native', ...chain.tokens.map(({ address }) => address)]
      const positions = tokens.flatMap((token) =>
        wallets.map((solver) => ({ chainId: CHAIN_ID, token, solver, lastBalance: null, accruing: false })),
      )
      for (let count = 0; count < looks; count += 1) {
        if (random.integer(0, 3) === 0 && count > 2) chain.reorg(2, 3)
        for (let mined = 0; mined < 5; mined += 1) chain.activity(random)
        const header = await fetchLatestHeader(rpc)
        expect(header).toMatchObject({ hash: chain.head.hash, number: chain.head.number })
        const read = await readBalances(rpc, header, positions, { logger: silentLogger })
        const found = read.map((reading) => (reading.kind === 'balance' ? reading.balance : 'unreadable'))
        expect(found).toEqual(positions.map(({ token, solver }) => chain.balanceAt(header.hash, token, solver)))
      }
      await close()
    }
  })
})

/** The Multicall3 that viem carries for calls without a deployment: its runtime follows 32 bytes of creation code. */
async function multicallCode(): Promise<Hex> {
  // Viem exports it under no name of its own.
  const carried = (await import(
    new URL('../../../node_modules/viem/_esm/constants/contracts.js', import.meta.url).href
  )) as { readonly multicall3Bytecode: string }
  const runtime: Hex = `0x${carried.multicall3Bytecode.slice(2 + 64)}`
  expect(keccak256(runtime)).toBe('0x5a29a1eb2f59e45e4249b938c8192cac0d2bd32398e1afa03f302a867db692ea')
  return runtime
}
