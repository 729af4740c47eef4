import type { Address } from '../model/address.js'
import type { ActionCast, WorldAction } from './world-action.js'

/** An amount of one token that leaves one account and reaches another. Fees are not among these. */
export interface Movement {
  readonly token: Address | 'native'
  readonly from: Address
  readonly to: Address
  readonly amount: bigint
}

/** What an action moves, as far as solvers are concerned. */
export function movementsOf(action: WorldAction, cast: ActionCast): Movement[] {
  const [first] = cast.counterparties
  switch (action.kind) {
    case 'token-in':
      return [{ token: action.token, from: first, to: action.solver, amount: action.amount }]
    case 'token-out':
      return [{ token: action.token, from: action.solver, to: first, amount: action.amount }]
    case 'native-in':
      return [{ token: 'native', from: first, to: action.solver, amount: action.amount }]
    case 'native-out':
      return [{ token: 'native', from: action.solver, to: first, amount: action.amount }]
    case 'between':
      return [action]
    case 'round-trip': {
      const { token, solver, amount } = action
      return [
        { token, from: first, to: solver, amount },
        { token, from: solver, to: first, amount },
      ]
    }
    case 'internal':
      return action.to.map((to) => ({ token: 'native', from: action.payer ?? first, to, amount: action.amount }))
    case 'wrap':
      return [
        { token: 'native', from: action.solver, to: cast.wrapped, amount: action.amount },
        { token: cast.wrapped, from: cast.wrapped, to: action.solver, amount: action.amount },
      ]
    case 'unwrap':
      return [
        { token: cast.wrapped, from: action.solver, to: cast.wrapped, amount: action.amount },
        { token: 'native', from: cast.wrapped, to: action.solver, amount: action.amount },
      ]
    case 'failed':
      // It must be able to pay until the transaction has failed; then it has it back.
      return [{ token: 'native', from: action.solver, to: action.solver, amount: action.amount }]
    case 'gas-only':
    case 'approve':
    case 'create':
    case 'tip':
    case 'bystander':
      return []
  }
}
