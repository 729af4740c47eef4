import type { Hash } from '../../model/position.js'
import { quantity } from './abi-words.js'
import { describeBlock, describeReceipt, describeTransaction } from './describe-block.js'
import type { ModelBlock, ModelTransaction } from './model-block.js'
import { refuse } from './node-refusal.js'
import { blockOfTag, keepsHistoryOf, readHash } from './node-window.js'
import type { NodeMethod, NodeWindow } from './node-window.js'

export const blockMethods: Readonly<Record<string, NodeMethod>> = {
  eth_chainId: ({ chainId }) => quantity(chainId),
  net_version: ({ chainId }) => chainId.toString(),
  web3_clientVersion: () => 'ModelChain/v1.0.0',
  eth_syncing: () => false,
  eth_blockNumber: ({ head }) => quantity(head.number),
  eth_gasPrice: ({ head }) => quantity(head.baseFee),
  eth_getBlockByNumber: (window, [tag, full]) => shown(window, blockOfTag(window, tag), full),
  eth_getBlockByHash: (window, [hash, full]) => shown(window, window.blockOf(readHash(hash)), full),
  eth_getBlockReceipts: (window, [at]) => {
    const block = blockOfReceipts(window, at)
    if (block === undefined || !keepsHistoryOf(window, block)) return null
    return block.transactions.map((transaction) => describeReceipt(block, transaction))
  },
  eth_getTransactionReceipt: (window, [hash]) => {
    const found = findTransaction(window, readHash(hash))
    return found === null ? null : describeReceipt(found.block, found.transaction)
  },
  eth_getTransactionByHash: (window, [hash]) => {
    const found = findTransaction(window, readHash(hash))
    return found === null ? null : describeTransaction(found.block, found.transaction)
  },
}

/** A node that keeps no body still knows the header, but answers as if there were no block. */
function shown(window: NodeWindow, block: ModelBlock | undefined, full: unknown): unknown {
  if (block === undefined || (full === true && !keepsHistoryOf(window, block))) return null
  return describeBlock(block, full === true)
}

function blockOfReceipts(window: NodeWindow, at: unknown): ModelBlock | undefined {
  if (typeof at === 'object' && at !== null) {
    if ('blockHash' in at) {
      const block = window.blockOf(readHash(at.blockHash))
      const mustBeCanonical = 'requireCanonical' in at && at.requireCanonical === true
      if (block !== undefined && mustBeCanonical && !window.isCanonical(block)) {
        refuse(-32000, 'hash is not currently canonical')
      }
      return block
    }
    return 'blockNumber' in at ? blockOfTag(window, at.blockNumber) : undefined
  }
  return typeof at === 'string' && at.length === 66 ? window.blockOf(readHash(at)) : blockOfTag(window, at)
}

function findTransaction(
  window: NodeWindow,
  hash: Hash,
): { readonly block: ModelBlock; readonly transaction: ModelTransaction } | null {
  for (let block: ModelBlock | null = window.head; block !== null; block = block.parent) {
    const transaction = block.transactions.find((each) => each.hash === hash)
    if (transaction !== undefined) return keepsHistoryOf(window, block) ? { block, transaction } : null
  }
  return null
}
