import { parseEther } from 'viem'
import type { Address } from '../model/address.js'
import type { Random } from './random.js'
import { type WorldAction, worldActionKinds } from './world-action.js'
import type { Funds } from './world-funds.js'
import type { WorldToken } from './world-setup.js'

export interface PlanOptions {
  readonly random: Random
  readonly funds: Funds
  readonly solvers: readonly Address[]
  readonly counterparties: readonly Address[]
  readonly tokens: readonly WorldToken[]
  readonly wrapped: WorldToken
  readonly maxActions: number
}

const lowNative = parseEther('1')
const refill = parseEther('5')
const manyReceivers = 8

/** Picks 0 to `maxActions` actions. They depend on the seed and on what the solvers hold, and on nothing else. */
export function planActions(options: PlanOptions): WorldAction[] {
  return Array.from({ length: options.random.integer(0, options.maxActions) }, () => planAction(options))
}

function planAction(options: PlanOptions): WorldAction {
  const { random, funds, solvers, wrapped } = options
  const kind = random.pick(worldActionKinds)
  const solver = random.pick(solvers)
  const counterparty = random.pick(options.counterparties)
  const token = random.pick(options.tokens)
  // Fees and outflows must be payable: a wallet that runs low is topped up as its operator would do.
  if (funds.of('native', solver) < lowNative) return { kind: 'native-in', solver, counterparty, amount: refill }
  const share = (of: Address | 'native'): bigint => (funds.of(of, solver) * BigInt(random.integer(1, 20))) / 1_000n
  switch (kind) {
    case 'token-in':
      return { kind, token: token.address, solver, counterparty, amount: inflow(random, token.decimals) }
    case 'token-out': {
      const amount = share(token.address)
      if (amount > 0n) return { kind, token: token.address, solver, counterparty, amount }
      return { kind: 'token-in', token: token.address, solver, counterparty, amount: inflow(random, token.decimals) }
    }
    case 'native-in':
      return { kind, solver, counterparty, amount: nativeInflow(random) }
    case 'native-out':
      return { kind, solver, counterparty, amount: share('native') }
    case 'between':
    case 'round-trip': {
      const of = random.integer(0, 2) === 0 ? 'native' : token.address
      const amount = share(of)
      if (kind === 'round-trip') return { kind, token: of, solver, counterparty, amount }
      return { kind, token: of, from: solver, to: random.pick(solvers), amount }
    }
    case 'internal': {
      const to = Array.from({ length: random.integer(1, manyReceivers) }, () => random.pick(solvers))
      return { kind, to: [...new Set(to)], payer: counterparty, amount: nativeInflow(random) }
    }
    case 'wrap':
      return { kind, solver, amount: share('native') }
    case 'unwrap': {
      const amount = share(wrapped.address)
      return amount > 0n ? { kind, solver, amount } : { kind: 'wrap', solver, amount: share('native') }
    }
    case 'approve':
      return { kind, token: token.address, solver, amount: inflow(random, token.decimals) }
    case 'failed':
      return { kind, solver, amount: share('native') }
    case 'gas-only':
    case 'create':
    case 'tip':
      return { kind, solver }
    case 'bystander':
      return {
        kind,
        token: random.integer(0, 1) === 0 ? 'native' : token.address,
        amount: nativeInflow(random) / 1_000_000n,
      }
  }
}

/** Up to 500 units with three decimals; at least the smallest unit. */
function inflow(random: Random, decimals: number): bigint {
  const amount = (BigInt(random.integer(1, 500_000)) * 10n ** BigInt(decimals)) / 1_000n
  return amount > 0n ? amount : 1n
}

/** Up to 0.2 units with six decimals. */
function nativeInflow(random: Random): bigint {
  return BigInt(random.integer(1, 200_000)) * parseEther('0.000001')
}
