import type { Address } from '../../model/address.js'
import type { BalanceReading } from '../../model/chain-event.js'
import type { Token } from '../../model/position.js'

/** Wallets with different balances that have to agree: one alone, or an amount that all were given, is a coincidence. */
const DIFFERENT_BALANCES_MIN = 2

/**
 * Tokens whose balances are those of the chain's own currency for every wallet that was read in both: very likely the
 * currency itself under another name, and counted twice by whoever adds them up.
 */
export function findNativeTwins(readings: readonly BalanceReading[]): ReadonlySet<Token> {
  const natives = new Map<Address, bigint>()
  for (const reading of readings) {
    if (reading.kind === 'balance' && reading.position.token === 'native') {
      natives.set(reading.position.solver, reading.balance)
    }
  }
  const agreeing = new Map<Token, Set<bigint>>()
  const differing = new Set<Token>(['native'])
  for (const reading of readings) {
    const { token, solver } = reading.position
    const native = natives.get(solver)
    if (differing.has(token) || native === undefined) continue
    if (reading.kind === 'failed' || reading.balance !== native) {
      differing.add(token)
      continue
    }
    const balances = agreeing.get(token) ?? new Set()
    agreeing.set(token, balances.add(native))
  }
  const twins = [...agreeing].filter(
    ([token, balances]) => !differing.has(token) && balances.size >= DIFFERENT_BALANCES_MIN,
  )
  return new Set(twins.map(([token]) => token))
}
