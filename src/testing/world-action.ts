import { encodeFunctionData } from 'viem'
import type { Address } from '../model/address.js'
import { shortReturnToken, splitter as splitterContract, testToken, weth9 } from './contracts/artifacts.js'
import type { WorldTransaction } from './world-sender.js'

/** Something that happens to wallets. Where no counterparty is named, the first one acts. */
export type WorldAction =
  | ({ readonly kind: 'token-in' | 'token-out'; readonly token: Address } & Transfer)
  | ({ readonly kind: 'native-in' | 'native-out' } & Transfer)
  /** From one solver to another: one transaction, two positions. */
  | (Amount & {
      readonly kind: 'between'
      readonly token: Address | 'native'
      readonly from: Address
      readonly to: Address
    })
  /** In and out again in one block: no net change of the token. */
  | ({ readonly kind: 'round-trip'; readonly token: Address | 'native' } & Transfer)
  /** Native currency paid from inside a contract, to every solver the same amount. */
  | (Amount & { readonly kind: 'internal'; readonly to: readonly Address[]; readonly payer?: Address | undefined })
  /** Native to wrapped and back, without a Transfer log. */
  | (Amount & { readonly kind: 'wrap' | 'unwrap'; readonly solver: Address })
  /** A transaction of value 0 to itself: only the fee moves. */
  | { readonly kind: 'gas-only'; readonly solver: Address }
  | (Amount & { readonly kind: 'approve'; readonly token: Address; readonly solver: Address })
  /** Sends value along and reverts: only the fee moves. */
  | (Amount & { readonly kind: 'failed'; readonly solver: Address })
  | { readonly kind: 'create'; readonly solver: Address }
  /** The solver is the block's coinbase and earns fees of others: a change without a transaction from or to it. */
  | { readonly kind: 'tip'; readonly solver: Address }
  /** Between counterparties: the block has transactions and logs, and no solver's balance changes. */
  | (Amount & { readonly kind: 'bystander'; readonly token: Address | 'native' })

interface Amount {
  readonly amount: bigint
}

interface Transfer extends Amount {
  readonly solver: Address
  readonly counterparty?: Address | undefined
}

export type WorldActionKind = WorldAction['kind']

export const worldActionKinds: readonly WorldActionKind[] = [
  'token-in',
  'token-out',
  'native-in',
  'native-out',
  'between',
  'round-trip',
  'internal',
  'wrap',
  'unwrap',
  'gas-only',
  'approve',
  'failed',
  'create',
  'tip',
  'bystander',
]

/** The accounts an action needs besides those it names. */
export interface ActionCast {
  readonly counterparties: readonly [Address, Address, ...Address[]]
  readonly wrapped: Address
  readonly splitter: Address
}

/** The transactions of an action, in the order in which they must run. */
export function transactionsOf(action: WorldAction, cast: ActionCast): WorldTransaction[] {
  const [first, second] = cast.counterparties
  switch (action.kind) {
    case 'token-in':
      return [transfer(action.token, action.counterparty ?? first, action.solver, action.amount)]
    case 'token-out':
      return [transfer(action.token, action.solver, action.counterparty ?? first, action.amount)]
    case 'native-in':
      return [transfer('native', action.counterparty ?? first, action.solver, action.amount)]
    case 'native-out':
      return [transfer('native', action.solver, action.counterparty ?? first, action.amount)]
    case 'between':
      return [transfer(action.token, action.from, action.to, action.amount)]
    case 'round-trip': {
      const { token, solver, amount, counterparty = first } = action
      return [transfer(token, counterparty, solver, amount), transfer(token, solver, counterparty, amount)]
    }
    case 'internal':
      return [split(cast.splitter, action.payer ?? first, action.to, action.amount)]
    case 'wrap': {
      const data = encodeFunctionData({ abi: weth9.abi, functionName: 'deposit' })
      return [{ from: action.solver, to: cast.wrapped, value: action.amount, data, gas: 70_000n }]
    }
    case 'unwrap': {
      const data = encodeFunctionData({ abi: weth9.abi, functionName: 'withdraw', args: [action.amount] })
      return [{ from: action.solver, to: cast.wrapped, data, gas: 70_000n }]
    }
    case 'gas-only':
      return [{ from: action.solver, to: action.solver, gas: 21_000n }]
    case 'approve': {
      const data = encodeFunctionData({ abi: testToken.abi, functionName: 'approve', args: [first, action.amount] })
      return [{ from: action.solver, to: action.token, data, gas: 60_000n }]
    }
    case 'failed': {
      const args = [[first], [action.amount]] as const
      const data = encodeFunctionData({ abi: splitterContract.abi, functionName: 'splitAndRevert', args })
      return [{ from: action.solver, to: cast.splitter, value: action.amount, data, gas: 120_000n }]
    }
    case 'create':
      return [{ from: action.solver, data: shortReturnToken.bytecode, gas: 400_000n }]
    case 'tip':
      return [transfer('native', first, second, 1n)]
    case 'bystander':
      return [transfer(action.token, first, second, action.amount)]
  }
}

function transfer(token: Address | 'native', from: Address, to: Address, amount: bigint): WorldTransaction {
  if (token === 'native') return { from, to, value: amount, gas: 21_000n }
  const data = encodeFunctionData({ abi: testToken.abi, functionName: 'transfer', args: [to, amount] })
  return { from, to: token, data, gas: 80_000n }
}

/** Pays the same native amount to every address from inside the Splitter. */
export function split(splitter: Address, from: Address, to: readonly Address[], amount: bigint): WorldTransaction {
  const args = [to, to.map(() => amount)] as const
  const data = encodeFunctionData({ abi: splitterContract.abi, functionName: 'split', args })
  const count = BigInt(to.length)
  return { from, to: splitter, value: amount * count, data, gas: 60_000n + 45_000n * count }
}
