import type { Hex } from 'viem'
import { WorldError } from './errors.js'
import type { Rpc } from './rpc.js'

/** How the chain makes blocks: when told, one per transaction, or by time. */
export type MiningMode = 'manual' | 'automine' | 'interval'

export interface Receipt {
  readonly succeeded: boolean
  /** Used gas times its price. */
  readonly fee: bigint
}

const pollMs = 10
const waitTimeoutMs = 60_000

export async function miningModeOf(rpc: Rpc): Promise<MiningMode> {
  const [automine, interval] = await Promise.all([
    rpc.request('anvil_getAutomine'),
    rpc.request('anvil_getIntervalMining'),
  ])
  if (automine === true) return 'automine'
  return interval === null ? 'manual' : 'interval'
}

/** The receipt of a transaction, or null while it is in no block. */
export async function readReceipt(rpc: Rpc, hash: Hex): Promise<Receipt | null> {
  const answer = (await rpc.request('eth_getTransactionReceipt', [hash])) as Readonly<Record<string, string>> | null
  if (answer === null) return null
  const { status, gasUsed, effectiveGasPrice } = answer
  if (status === undefined || gasUsed === undefined || effectiveGasPrice === undefined) {
    throw new WorldError(`expected a receipt with status, gasUsed and effectiveGasPrice, got ${JSON.stringify(answer)}`)
  }
  return { succeeded: status === '0x1', fee: BigInt(gasUsed) * BigInt(effectiveGasPrice) }
}

/** Calls `isDone` until it says yes, with a block mined before each call if blocks come only when told. */
export async function awaitBlocks(rpc: Rpc, mining: MiningMode, isDone: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + waitTimeoutMs
  while (true) {
    if (mining === 'manual') await rpc.request('evm_mine')
    if (await isDone()) return
    if (Date.now() > deadlineMs) throw new WorldError(`expected all transactions in a block within ${waitTimeoutMs} ms`)
    if (mining !== 'manual') await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}
