import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createPublicClient, http, multicall3Abi, parseAbi } from 'viem'

import type { Address } from '../src/model/address.js'
import type { Holding, World } from '../src/testing/index.js'
import { createRpc } from '../src/testing/rpc.js'
import { startProxy } from '../test/integration/chain-proxy.js'
import type { RpcProxy } from '../test/integration/chain-proxy.js'
import { multicall3Runtime } from './multicall3-runtime.js'

/** What another way of reading needs to know all balances at one block. */
export interface PeerFigures {
  readonly name: string
  readonly requestsPerBlock: number | null
  readonly httpRequestsPerBlock: number | null
  readonly tookMs: number | null
  readonly note: string
}

const MULTICALL3: Address = '0xca11bde05977b3631167028862be2a173976ca11'
const erc20 = parseAbi(['function balanceOf(address) view returns (uint256)'])
/** Requests under way at once, for the way that sends one for each balance. */
const CONCURRENT = 25

/** Reads the same balances once in the ways of others, and counts. */
export async function measurePeers(node: { rpcUrl: string; wsUrl: string }, world: World): Promise<PeerFigures[]> {
  await createRpc(node.rpcUrl).request('anvil_setCode', [MULTICALL3, multicall3Runtime])
  const proxy = await startProxy(node)
  try {
    return [await oneByOne(proxy, world), await viemMulticall(proxy, world), await walletMonitor(proxy, world)]
  } finally {
    await proxy.close()
  }
}

async function oneByOne(proxy: RpcProxy, world: World): Promise<PeerFigures> {
  const client = createPublicClient({ transport: http(proxy.url) })
  const figures = await counted(proxy, async () => {
    const left = [...world.positions]
    const work = async (): Promise<void> => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        if (next.token === 'native') await client.getBalance({ address: next.solver })
        else
          await client.readContract({ address: next.token, abi: erc20, functionName: 'balanceOf', args: [next.solver] })
      }
    }
    await Promise.all(Array.from({ length: CONCURRENT }, work))
  })
  return { name: 'every position by itself', ...figures, note: `${CONCURRENT} at once, at \`latest\`` }
}

async function viemMulticall(proxy: RpcProxy, world: World): Promise<PeerFigures> {
  const client = createPublicClient({ transport: http(proxy.url) })
  const call = ({ token, solver }: Holding) =>
    token === 'native'
      ? ({ address: MULTICALL3, abi: multicall3Abi, functionName: 'getEthBalance', args: [solver] } as const)
      : ({ address: token, abi: erc20, functionName: 'balanceOf', args: [solver] } as const)
  const figures = await counted(proxy, async () => {
    const results = await client.multicall({ contracts: world.positions.map(call), multicallAddress: MULTICALL3 })
    const failed = results.filter(({ status }) => status === 'failure').length
    if (failed > 0) throw new Error(`expected every balance from viem's multicall, ${failed} failed`)
  })
  return { name: "viem's multicall, default settings", ...figures, note: 'at `latest`, all batches at once' }
}

/** Installed into a folder of its own, which goes afterwards: it brings 280 packages of other chains along. */
async function walletMonitor(proxy: RpcProxy, world: World): Promise<PeerFigures> {
  const name = '@xlabs-xyz/wallet-monitor 0.2.30'
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-bench-peers-'))
  try {
    await cp(join(import.meta.dirname, 'peers'), folder, { recursive: true })
    console.error(`installing ${name} …`)
    await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], folder)
    const file = join(folder, 'wallets.json')
    await writeFile(
      file,
      JSON.stringify({ wallets: world.solvers, tokens: world.tokens.map(({ address }) => address) }),
    )
    let answer = ''
    const figures = await counted(proxy, async () => {
      answer = await run(process.execPath, ['wallet-monitor.mjs', proxy.url, file], folder)
    })
    const { read, tookMs } = JSON.parse(answer) as { readonly read: number; readonly tookMs: number }
    if (read !== world.positions.length) throw new Error(`expected ${world.positions.length} balances, it read ${read}`)
    return { name, ...figures, tookMs, note: 'one `pullBalances()`, token metadata included, at `latest`' }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { name, requestsPerBlock: null, httpRequestsPerBlock: null, tookMs: null, note: `not measured: ${reason}` }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function counted(
  proxy: RpcProxy,
  work: () => Promise<void>,
): Promise<Pick<PeerFigures, 'requestsPerBlock' | 'httpRequestsPerBlock' | 'tookMs'>> {
  const before = proxy.count()
  const httpBefore = proxy.httpRequests()
  const startedAtMs = performance.now()
  await work()
  return {
    requestsPerBlock: proxy.count() - before,
    httpRequestsPerBlock: proxy.httpRequests() - httpBefore,
    tookMs: performance.now() - startedAtMs,
  }
}

/** @returns what the command wrote to its standard output. */
async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let trouble = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (trouble = `${trouble}${chunk.toString()}`.slice(-2000)))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0)
    throw new Error(`${command} ${args[0] ?? ''} ended with ${code}: ${trouble.trim().split('\n').at(-1)}`)
  return out
}
