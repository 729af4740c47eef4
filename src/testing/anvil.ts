import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Logger, silentLogger } from '../model/logger.js'
import { anvilBinary } from './anvil-binary.js'
import { startAnvilProcess } from './anvil-process.js'
import { AnvilError } from './errors.js'
import { createRpc } from './rpc.js'

export interface AnvilOptions {
  /** Default 31337. */
  readonly chainId?: bigint | undefined
  /** Seconds between blocks, also fractions; `'manual'` mines only when told; absent mines each transaction at once. */
  readonly blockTimeSeconds?: number | 'manual' | undefined
  /** Port on 127.0.0.1; absent or 0 takes a free one. */
  readonly port?: number | undefined
  readonly logger?: Logger | undefined
}

/** A running local chain with the ten well-known accounts of 10,000 native units each. */
export interface Anvil {
  readonly rpcUrl: string
  readonly wsUrl: string
  readonly chainId: bigint
  /** The node's own process, for tests that halt or kill it. */
  readonly pid: number
  /** Ends the node and removes its files. Safe to call more than once. */
  stop(): Promise<void>
}

/**
 * The cancun fork and the bounded history keep a long run from taking gigabytes: later forks make every kept state
 * bigger, and without a bound states are written to disk. Short epochs let finality follow within 16 blocks.
 */
const recipe = ['--hardfork', 'cancun', '--slots-in-an-epoch', '8', '--prune-history', '3000']

/** Starts a local EVM chain on 127.0.0.1 that cannot outlive this process, however this process ends. */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const logger = options.logger ?? silentLogger
  const chainId = options.chainId ?? 31_337n
  const binary = anvilBinary()
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-anvil-'))
  const node = await startAnvilProcess({ binary, folder, args: anvilArguments(options, chainId, folder) })
  const rpcUrl = `http://127.0.0.1:${node.port}`
  try {
    await verify(rpcUrl, chainId)
  } catch (error) {
    await node.stop()
    throw error
  }
  let stopped = false
  void node.ended.then((code) => {
    if (!stopped) logger.warn({ pid: node.pid, rpcUrl, code }, 'local chain ended by itself')
  })
  logger.debug({ pid: node.pid, rpcUrl, chainId: String(chainId) }, 'local chain started')
  return {
    rpcUrl,
    wsUrl: `ws://127.0.0.1:${node.port}`,
    chainId,
    pid: node.pid,
    stop() {
      stopped = true
      return node.stop()
    },
  }
}

function anvilArguments(options: AnvilOptions, chainId: bigint, folder: string): string[] {
  const { blockTimeSeconds, port = 0 } = options
  const mining =
    blockTimeSeconds === undefined
      ? []
      : blockTimeSeconds === 'manual'
        ? ['--no-mining']
        : ['--block-time', String(blockTimeSeconds)]
  const place = ['--host', '127.0.0.1', '--port', String(port), '--cache-path', join(folder, 'cache')]
  return ['--chain-id', String(chainId), ...place, ...recipe, ...mining]
}

async function verify(rpcUrl: string, chainId: bigint): Promise<void> {
  const rpc = createRpc(rpcUrl)
  const answered = await rpc.quantity('eth_chainId')
  if (answered !== chainId) throw new AnvilError(`expected a chain with id ${chainId}, got ${answered} at ${rpcUrl}`)
  // Only its first lines are of use. `--quiet` would hide those too, and with them the port it chose.
  await rpc.request('anvil_setLoggingEnabled', [false])
}
