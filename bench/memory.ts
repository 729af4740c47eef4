import { readFile, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

import { createWorld, startAnvil } from '../src/testing/index.js'
import type { Anvil, World } from '../src/testing/index.js'
import { createRpc } from '../src/testing/rpc.js'
import { runService, temporaryFolder } from '../test/support/service.js'
import { idleWallets } from './stage.js'

export interface MemoryFigures {
  readonly positions: number
  readonly chains: number
  readonly blocksPerChain: number
  /** Resident memory of the service's Node process: at the end, and the most that was seen at any second. */
  readonly endMiB: number
  readonly mostMiB: number
}

const CHAINS = 5
const BUSY_SOLVERS = 50
const BLOCK_TIME_MS = 1000

/** Runs the built service as an operator would, and looks at its process from outside. */
export async function measureMemory(positions: number, blocks: number): Promise<MemoryFigures> {
  console.error(
    `memory: ${positions} positions on ${CHAINS} chains, about ${Math.ceil((blocks * BLOCK_TIME_MS) / 1000) + 60} s …`,
  )
  const solverCount = positions / CHAINS / 4
  const folder = await temporaryFolder()
  const anvils: Anvil[] = []
  const worlds: World[] = []
  try {
    for (let index = 0; index < CHAINS; index += 1) {
      const anvil = await startAnvil({ chainId: BigInt(31_001 + index), blockTimeSeconds: 'manual' })
      anvils.push(anvil)
      worlds.push(await createWorld({ rpcUrl: anvil.rpcUrl, seed: 1, solverCount: BUSY_SOLVERS }))
    }
    const [world] = worlds
    if (world === undefined) throw new Error('expected a world')
    const solvers = [...world.solvers, ...idleWallets(solverCount - BUSY_SOLVERS)]
    const service = runService({
      cwd: folder,
      env: {
        TIDEMARK_DATA_DIR: `${folder}/data`,
        SOLVER_ADDRESSES: solvers.join(','),
        ...Object.assign({}, ...anvils.map((anvil, index) => chainSettings(anvil, worlds[index], index))),
      },
    })
    try {
      const url = await service.ready()
      const mostMiB = await run({ anvils, worlds, blocks, pid: service.pid })
      const watched = await countBalances(url)
      if (watched !== positions) throw new Error(`expected ${positions} balances, the service shows ${watched}`)
      return { positions, chains: CHAINS, blocksPerChain: blocks, endMiB: await residentMiB(service.pid), mostMiB }
    } finally {
      service.kill('SIGTERM')
      await service.exited()
    }
  } finally {
    for (const anvil of anvils) await anvil.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

function chainSettings(anvil: Anvil, world: World | undefined, index: number): Record<string, string> {
  const prefix = `CHAIN_${31_001 + index}`
  return {
    [`${prefix}_RPC_URL`]: anvil.rpcUrl,
    [`${prefix}_WS_URL`]: anvil.wsUrl,
    [`${prefix}_TOKENS`]: (world?.tokens ?? []).map(({ address }) => address).join(','),
  }
}

/** @returns the most memory that was seen. */
async function run(options: {
  readonly anvils: readonly Anvil[]
  readonly worlds: readonly World[]
  readonly blocks: number
  readonly pid: number
}): Promise<number> {
  const { anvils, worlds, blocks, pid } = options
  const nodes = anvils.map(({ rpcUrl }) => createRpc(rpcUrl))
  let most = 0
  for (let block = 0; block < blocks; block += 1) {
    for (const world of worlds) await world.step()
    await Promise.all(nodes.map((node) => node.request('evm_mine')))
    await sleep(BLOCK_TIME_MS)
    most = Math.max(most, await residentMiB(pid))
  }
  await sleep(5000)
  return Math.max(most, await residentMiB(pid))
}

async function countBalances(url: string): Promise<number> {
  let count = 0
  let cursor: string | null = null
  do {
    const query: string = cursor === null ? '' : `&cursor=${cursor}`
    const response = await fetch(`${url}/api/balances?limit=500${query}`)
    const page = (await response.json()) as { readonly items: readonly unknown[]; readonly nextCursor: string | null }
    count += page.items.length
    cursor = page.nextCursor
  } while (cursor !== null)
  return count
}

/** The kernel's own figure for the process, without its children. */
async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]
  if (kib === undefined) throw new Error(`expected VmRSS of process ${pid}`)
  return Number(kib) / 1024
}
