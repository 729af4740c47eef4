import type { BalanceCause } from '../../model/balance-cause.js'
import type { Attribution } from '../../model/chain-event.js'
import type { Hash } from '../../model/position.js'

/** The causes that a found movement can have, in the order in which they win when they moved equally much. */
const movementKinds = ['transfer', 'wrap', 'internal', 'reward', 'gas'] as const

/** Something found in a block that moved one position. */
export interface Movement {
  readonly kind: (typeof movementKinds)[number]
  /** Signed, in the token's smallest unit, as the position sees it. */
  readonly amount: bigint
  /** Null for what no transaction did, as a validator's withdrawal. */
  readonly transactionHash: Hash | null
  readonly transactionIndex: number
}

/**
 * Adds up what was found for one position.
 *
 * The cause is the kind that moved most, counting amounts in and out alike; what is left unexplained takes part in this
 * under `restCause`. Fees name the cause only where nothing else moved the position. Equal amounts go by the order
 * transfer, wrap, internal, reward, and a found kind wins over the rest.
 */
export function concludeAttribution(
  delta: bigint,
  movements: readonly Movement[],
  restCause: Extract<BalanceCause, 'rebase' | 'unknown'> = 'unknown',
): Attribution {
  const ordered = movements.toSorted((a, b) => a.transactionIndex - b.transactionIndex)
  const unexplained = delta - ordered.reduce((sum, movement) => sum + movement.amount, 0n)
  const moved = (kind: Movement['kind']): bigint =>
    ordered.reduce((sum, movement) => (movement.kind === kind ? sum + magnitude(movement.amount) : sum), 0n)
  let cause: BalanceCause = restCause
  let most = 0n
  for (const kind of movementKinds) {
    if (kind === 'gas' && most > 0n) break
    const amount = moved(kind)
    if (amount > most) [cause, most] = [kind, amount]
  }
  if (magnitude(unexplained) > most) cause = restCause
  const hashes = new Set(ordered.flatMap(({ transactionHash }) => transactionHash ?? []))
  return { transactionHashes: [...hashes], cause, unexplained }
}

function magnitude(amount: bigint): bigint {
  return amount < 0n ? -amount : amount
}
