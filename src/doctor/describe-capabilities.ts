import type { BlockHeader } from '../model/block.js'
import type { EndpointCapabilities } from '../model/chain-state.js'
import type { Finding, FindingLevel } from './finding.js'

/** What an endpoint can do, and what it means for Tidemark when it cannot. */
export function* describeCapabilities(
  host: string,
  head: BlockHeader,
  capabilities: EndpointCapabilities,
): Generator<Finding> {
  const say = (level: FindingLevel, text: string, advice?: string): Finding => ({
    area: 'endpoint',
    subject: host,
    level,
    text,
    advice,
  })
  if (capabilities.blockHash === false) {
    yield say(
      'warning',
      'it does not read at a block’s hash (EIP-1898): balances are read by number, and checked against the hash afterwards',
      'Put an endpoint first that does; nothing else is as sure.',
    )
  }
  yield capabilities.stateOverride === true
    ? say('ok', 'it reads thousands of balances in one call')
    : say(
        'warning',
        'it takes no state overrides: balances are read by Multicall3 where it stands, else one by one',
        'A provider with state overrides for eth_call costs fewer requests.',
      )
  if (capabilities.batch === false) yield say('ok', 'it takes no batches: calls are sent one by one')
  if (capabilities.receipts === false) {
    yield say('warning', 'it does not serve eth_getBlockReceipts: why native balances changed cannot be told')
  }
  yield capabilities.traces === true
    ? say('ok', 'it traces blocks: what contracts send is explained, too')
    : say('ok', 'it does not trace blocks: what contracts send is recorded, but shown as unexplained')
  yield say('ok', historyText(head, capabilities))
}

function historyText(head: BlockHeader, { oldestStateBlock, logRangeBlocks }: EndpointCapabilities): string {
  const logs = logRangeBlocks === null ? '' : `; logs of ${logRangeBlocks} blocks at once`
  if (oldestStateBlock === null) return `it does not serve the state of its own newest block${logs}`
  if (oldestStateBlock === 0n) return `it has the whole history (an archive node)${logs}`
  const blocks = head.number - oldestStateBlock
  return `it has the state of the newest ${blocks} blocks: longer outages, and backfill, need an archive endpoint${logs}`
}
