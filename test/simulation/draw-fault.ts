import { faultKinds, hexOddities } from '../../src/testing/fault-proxy/fault.js'
import type { Fault, FaultKind, FaultTrigger, HexOddity } from '../../src/testing/fault-proxy/fault.js'
import type { Lots } from './lots.js'

/** `odd length` would pass for a proper number, and nobody can tell a wrong number from a right one. */
const misspelt: readonly HexOddity[] = (Object.keys(hexOddities) as HexOddity[]).filter((form) => form !== 'odd length')

/**
 * Kinds that may strike together on one chain. State of another block is told from that of the right one by the scanner,
 * whose call says on which block it ran: a node that says it cannot run that has nothing else to be held to, and lies
 * where no other does.
 */
export function kindsOf(nodesLie: boolean): readonly FaultKind[] {
  return faultKinds.filter((kind) => kind !== (nodesLie ? 'no-state-override' : 'other-block'))
}

type Details = Readonly<Record<string, unknown>>

/** What a fault of some kinds needs beside its name. */
const detailsOf: Partial<Record<FaultKind, (lots: Lots) => Details>> = {
  lagging: (lots) => ({ blocks: lots.pick([1, 2, 5, 40]) }),
  'empty-past-head': (lots) => ({ blocks: lots.pick([1, 2, 5, 40]) }),
  'wrong-chain-id': () => ({ chainId: 999n }),
  'state-pruned': (lots) => ({ blocks: lots.pick([0, 2, 64]) }),
  'other-block': (lots) => ({ shift: lots.pick([-1, 1]) }),
  'capped-gas': (lots) => ({ gas: BigInt(lots.pick([200_000, 1_000_000, 5_000_000])) }),
  'capped-response': (lots) => ({ bytes: lots.pick([300, 2000, 20_000]) }),
  'hex-oddity': (lots) => ({ form: lots.pick(misspelt) }),
  'http-429': (lots) => lots.pick([{}, { retryAfter: { seconds: lots.integer(0, 5) } }]),
  'http-5xx': (lots) => ({ status: lots.pick([500, 502, 503, 504]) }),
  'heads-skipped': (lots) => ({ heads: lots.integer(1, 5) }),
  'heads-delayed': (lots) => ({ delayMs: lots.integer(100, 20_000) }),
  'heads-flood': (lots) => ({ copies: lots.integer(2, 20) }),
}

export function drawFault(lots: Lots, kinds: readonly FaultKind[]): Fault {
  const kind = lots.pick(kinds)
  const trigger: FaultTrigger = { probability: lots.pick([0.05, 0.3, 1]) }
  return { kind, ...trigger, ...detailsOf[kind]?.(lots) } as Fault
}
