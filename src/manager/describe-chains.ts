import type { ChainWorker } from '../chain-worker.js'
import type { ChainProgress } from '../ledger/balance-reader.js'
import type { ChainMetrics, ChainSummary } from './manager-metrics.js'

/** @param stored where the chain stands in the store; undefined when it does not */
export function summaryOf(worker: ChainWorker, stored: ChainProgress | undefined): ChainSummary {
  const { chain, report } = worker
  return {
    chainId: chain.chainId,
    name: chain.name,
    followed: worker.followed,
    state: report.state,
    reason: report.reason,
    head: worker.followed === 'here' ? report.head : newestOf(report.head, stored?.processed?.number ?? null),
    processed: stored?.processed?.number ?? null,
    safe: stored?.finality.safe ?? null,
    finalized: stored?.finality.finalized ?? null,
    lagSeconds: lagOf(stored?.processed?.timestamp),
    endpoints: report.endpoints,
  }
}

/** @param summary undefined while the database does not answer */
export function metricsOf(worker: ChainWorker, summary: ChainSummary | undefined): ChainMetrics {
  const { report } = worker
  return {
    ...worker.counters,
    chainId: worker.chain.chainId,
    followed: worker.followed,
    state: report.state,
    head: summary?.head ?? report.head,
    processed: summary?.processed ?? null,
    lagSeconds: summary?.lagSeconds ?? null,
    positions: report.positions,
    standing: report.standing,
    rpcRequests: Object.fromEntries(worker.rpcRequests),
    rpcErrors: Object.fromEntries(worker.rpcErrors),
  }
}

function lagOf(timestamp: Date | undefined): number | null {
  return timestamp === undefined ? null : Math.max(0, Math.round((Date.now() - timestamp.getTime()) / 1000))
}

/** What another process told of the head is a moment old, and may be older than what is stored. */
function newestOf(head: bigint | null, processed: bigint | null): bigint | null {
  if (head === null || processed === null) return head
  return head > processed ? head : processed
}
