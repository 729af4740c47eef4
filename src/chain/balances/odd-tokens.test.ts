import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { systemClock } from '../../model/clock.js'
import { networkTransport } from '../../chain/rpc/node-transport.js'
import type { Address } from '../../model/address.js'
import type { BlockHeader } from '../../model/block.js'
import { silentLogger } from '../../model/logger.js'
import {
  absurdMetadataToken,
  bytes32Token,
  createWorld,
  gasBurningToken,
  hostileNameToken,
  returnBombToken,
  revertingToken,
  shortReturnToken,
  startAnvil,
} from '../../testing/index.js'
import type { Anvil, World } from '../../testing/index.js'
import { createRpc } from '../../testing/rpc.js'
import { fetchLatestHeader } from '../head/fetch-headers.js'
import { RpcClient } from '../rpc/rpc-client.js'
import type { BalanceAnswer, BalanceQuery } from './balance-query.js'
import { readMetadata } from './read-metadata.js'
import { scanByOverride } from './scan-by-override.js'

const codeless: Address = `0x${'de'.repeat(20)}`
const stopping = new AbortController()

let anvil: Anvil
let world: World
let client: RpcClient
let header: BlockHeader
let good: Address
let holder: Address
let odd: Readonly<Record<'reverting' | 'burning' | 'bomb' | 'short' | 'bytes32' | 'hostile' | 'absurd', Address>>

beforeAll(async () => {
  anvil = await startAnvil()
  world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 5, solverCount: 2 })
  odd = {
    reverting: await deploy(revertingToken.bytecode),
    burning: await deploy(gasBurningToken.bytecode),
    bomb: await deploy(returnBombToken.bytecode),
    short: await deploy(shortReturnToken.bytecode),
    bytes32: await deploy(bytes32Token.bytecode),
    hostile: await deploy(hostileNameToken.bytecode),
    absurd: await deploy(absurdMetadataToken.bytecode),
  }
  client = new RpcClient({
    chainId: 31_337n,
    urls: [anvil.rpcUrl],
    clock: systemClock,
    transport: networkTransport,
    logger: silentLogger,
    signal: stopping.signal,
  })
  header = await fetchLatestHeader(client)
  const [token] = world.tokens
  const [solver] = world.solvers
  if (token === undefined || solver === undefined) throw new Error('expected a token and a solver')
  good = token.address
  holder = solver
})

afterAll(async () => {
  stopping.abort()
  await anvil.stop()
})

describe('scanByOverride', () => {
  it('reads the first balance of a call as well as those after it', async () => {
    const [alone] = await scan([{ token: good, solver: holder }])
    expect(alone).toEqual({ kind: 'balance', balance: 10_000_000_000n })
  })

  it('gives no balance to a token that answers too little, whatever was answered before it', async () => {
    for (const token of [odd.short, odd.reverting, odd.burning, odd.bomb, codeless]) {
      const answers = await scan([
        { token: good, solver: holder },
        { token, solver: holder },
        { token: good, solver: holder },
        { token: 'native', solver: holder },
      ])
      expect(answers.map(({ kind }) => kind)).toEqual(['balance', 'failed', 'balance', 'balance'])
    }
  })

  it('reads a hostile token that answers properly like any other', async () => {
    const answers = await scan([odd.bytes32, odd.hostile].map((token) => ({ token, solver: holder })))
    expect(answers).toEqual([
      { kind: 'balance', balance: 0n },
      { kind: 'balance', balance: 0n },
    ])
  })
})

describe('readMetadata', () => {
  it('reads what honest tokens say, also as bytes32 and without decimals', async () => {
    const metadata = await readMetadata(client, header, [good, odd.bytes32, odd.reverting])
    expect(metadata.get(good)).toEqual({ decimals: 6, symbol: 'USDC', name: 'USD Coin' })
    expect(metadata.get(odd.bytes32)).toEqual({ decimals: null, symbol: 'MKR', name: 'Maker' })
    expect(metadata.get(odd.reverting)).toEqual({ decimals: 18, symbol: 'RVRT', name: 'Reverting Token' })
  })

  it('cuts hostile texts and takes out characters that deceive', async () => {
    const metadata = (await readMetadata(client, header, [odd.hostile])).get(odd.hostile)
    expect(metadata?.decimals).toBe(255)
    for (const text of [metadata?.symbol, metadata?.name]) {
      expect(text).toMatch(/^[^\p{C}\p{Zl}\p{Zp}]{1,64}$/u)
    }
    expect(metadata?.symbol).toMatch(/^<script>/)
  })

  it('knows no name of ten megabytes and no decimals beyond a byte, and cleans what is no UTF-8', async () => {
    const metadata = await readMetadata(client, header, [odd.absurd, good])
    expect(metadata.get(odd.absurd)).toEqual({ decimals: null, symbol: '((AB', name: null })
    expect(metadata.get(good)).toMatchObject({ symbol: 'USDC' })
  })

  it('knows nothing of an address without code', async () => {
    const metadata = await readMetadata(client, header, [codeless, good])
    expect(metadata.get(codeless)).toEqual({ decimals: null, symbol: null, name: null })
    expect(metadata.get(good)).toMatchObject({ symbol: 'USDC' })
  })
})

function scan(queries: readonly BalanceQuery[]): Promise<readonly BalanceAnswer[]> {
  return client.run((session) => scanByOverride(session, header, queries))
}

async function deploy(data: `0x${string}`): Promise<Address> {
  const hash = await world.send({ from: world.treasury, data, gas: 3_000_000n })
  const receipt = await createRpc(anvil.rpcUrl).request('eth_getTransactionReceipt', [hash])
  return (receipt as { readonly contractAddress: Address }).contractAddress
}
