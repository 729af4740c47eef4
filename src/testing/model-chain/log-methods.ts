import { describeLog } from './describe-block.js'
import { matchesLog, readLogFilter } from './log-filter.js'
import type { LogFilter } from './log-filter.js'
import type { ModelBlock } from './model-block.js'
import { refuse } from './node-refusal.js'
import { blockOfTag, keepsHistoryOf, readHash } from './node-window.js'
import type { NodeMethod, NodeWindow } from './node-window.js'

export const logMethods: Readonly<Record<string, NodeMethod>> = {
  eth_getLogs: (window, [value]) => {
    const filter = readLogFilter(value)
    const { maxLogAddresses, maxLogResults } = window.features
    if (filter.addresses.size > maxLogAddresses) {
      refuse(-32602, `exceed max addresses: at most ${maxLogAddresses} addresses are allowed in a filter`)
    }
    const found: unknown[] = []
    for (const block of blocksOf(window, value as object)) {
      if (!keepsHistoryOf(window, block)) refuse(4444, 'pruned history unavailable')
      found.push(...logsOf(block, filter))
      if (found.length > maxLogResults) refuse(-32602, `query returned more than ${maxLogResults} results`)
    }
    return found
  },
}

function logsOf(block: ModelBlock, filter: LogFilter): readonly unknown[] {
  return block.transactions.flatMap(({ logs }) =>
    logs.filter((log) => matchesLog(filter, log)).map((log) => describeLog(block, log, false)),
  )
}

/** What lies beyond the head is passed over, as Geth does. */
function blocksOf(window: NodeWindow, value: object): readonly ModelBlock[] {
  if ('blockHash' in value && value.blockHash !== undefined) {
    if ('fromBlock' in value || 'toBlock' in value) {
      refuse(-32602, 'cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other')
    }
    return [window.blockOf(readHash(value.blockHash)) ?? refuse(-32000, 'unknown block')]
  }
  const first = numberOf(window, 'fromBlock' in value ? value.fromBlock : 'latest')
  const last = numberOf(window, 'toBlock' in value ? value.toBlock : 'latest')
  if (first > last) refuse(-32602, 'invalid block range params')
  if (last - first + 1n > BigInt(Math.min(window.features.maxLogRange, Number.MAX_SAFE_INTEGER))) {
    refuse(-32602, `eth_getLogs is limited to a ${window.features.maxLogRange} block range`)
  }
  const blocks: ModelBlock[] = []
  for (let number = first; number <= last && number <= window.head.number; number += 1n) {
    const block = window.blockAt(number)
    if (block !== undefined) blocks.push(block)
  }
  return blocks
}

function numberOf(window: NodeWindow, value: unknown): bigint {
  if (typeof value === 'string' && /^0x[0-9a-fA-F]{1,16}$/.test(value)) return BigInt(value)
  return blockOfTag(window, value)?.number ?? window.head.number
}
