import { faultKinds, hexOddities } from '../../src/testing/fault-proxy/fault.js'
import type { Fault, FaultKind, FaultTrigger, HexOddity } from '../../src/testing/fault-proxy/fault.js'
import type { Lots } from './lots.js'

/** `odd length` would pass for a proper number, and nobody can tell a wrong number from a right one. */
const misspelt: readonly HexOddity[] = (Object.keys(hexOddities) as HexOddity[]).filter((form) => form !== 'odd length')

/** Spoilt answers after which a node is taken for one that cannot be asked in the way that proves the block. */
const misleading: ReadonlySet<FaultKind> = new Set<FaultKind>([
  'no-state-override',
  'capped-gas',
  'capped-response',
  'hex-oddity',
  'html-200',
  'truncated',
  'malformed',
  'wrong-id',
  'result-and-error',
  'missing-result',
  'batch-partial',
  'batch-as-object',
])

/**
 * Kinds that may strike together on one chain. State of another block is told from that of the right one by the scanner,
 * whose call says on which block it ran. A chain where that way of reading may be lost has only nodes that do not lie.
 */
export function kindsOf(nodesLie: boolean): readonly FaultKind[] {
  return faultKinds.filter((kind) => (nodesLie ? !misleading.has(kind) : kind !== 'other-block'))
}

export function drawFault(lots: Lots, kinds: readonly FaultKind[]): Fault {
  const kind = lots.pick(kinds)
  const trigger: FaultTrigger = { probability: lots.pick([0.05, 0.3, 1]) }
  switch (kind) {
    case 'lagging':
      return { kind, ...trigger, blocks: lots.pick([1, 2, 5, 40]) }
    case 'wrong-chain-id':
      return { kind, ...trigger, chainId: 999n }
    case 'state-pruned':
      return { kind, ...trigger, blocks: lots.pick([0, 2, 64]) }
    case 'other-block':
      return { kind, ...trigger, shift: lots.pick([-1, 1]) }
    case 'capped-gas':
      return { kind, ...trigger, gas: BigInt(lots.pick([200_000, 1_000_000, 5_000_000])) }
    case 'capped-response':
      return { kind, ...trigger, bytes: lots.pick([300, 2000, 20_000]) }
    case 'hex-oddity':
      return { kind, ...trigger, form: lots.pick(misspelt) }
    case 'http-429':
      return { kind, ...trigger, ...lots.pick([{}, { retryAfter: { seconds: lots.integer(0, 5) } }]) }
    case 'http-5xx':
      return { kind, ...trigger, status: lots.pick([500, 502, 503, 504]) }
    case 'heads-skipped':
      return { kind, ...trigger, heads: lots.integer(1, 5) }
    case 'heads-delayed':
      return { kind, ...trigger, delayMs: lots.integer(100, 20_000) }
    case 'heads-flood':
      return { kind, ...trigger, copies: lots.integer(2, 20) }
    case 'batch-as-object':
    case 'batch-partial':
    case 'batch-reordered':
    case 'block-unavailable':
    case 'empty-logs':
    case 'empty-past-head':
    case 'garbage-frames':
    case 'hang':
    case 'heads-dropped':
    case 'heads-duplicated':
    case 'heads-reordered':
    case 'html-200':
    case 'malformed':
    case 'missing-result':
    case 'no-state-override':
    case 'null-block':
    case 'null-receipt':
    case 'partial-logs':
    case 'rate-limit-error':
    case 'removed-logs':
    case 'reset':
    case 'result-and-error':
    case 'socket-cut':
    case 'socket-refused':
    case 'socket-silent':
    case 'subscribe-refused':
    case 'truncated':
    case 'wrong-id':
      return { kind, ...trigger } as Fault
  }
}
