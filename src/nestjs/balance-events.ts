import { formatToken, toChecksumAddress } from '../index.js'
import type {
  Address,
  BalanceChangeEvent as LoggedChange,
  BalanceRevertedEvent as LoggedRevert,
  HistoryExtendedEvent as LoggedExtension,
  Hash,
  LogBreak,
  LoggedEvent,
  Snapshot,
  Token,
  TokenChangedEvent as LoggedToken,
} from '../index.js'
import { toTokenFields } from './balance-answers.js'
import type { TokenFields } from './balance-answers.js'

/** The place of an event in the log. An event may come twice after a crash, always with the same `seq`. */
export interface EventPlace {
  readonly seq: bigint
}

/**
 * `balance.updated`: a position's balance changed in a block. Addresses are in EIP-55 spelling, amounts in the token's
 * smallest unit.
 */
export interface BalanceChangeEvent extends LoggedChange, EventPlace {}

/** `position.started`: a position got its first record, or the first one of a new coverage interval; it may be 0. */
export interface PositionStartedEvent extends TokenFields, EventPlace {
  readonly chainId: bigint
  readonly tokenAddress: Token
  readonly solverAddress: Address
  readonly balance: bigint
  readonly blockNumber: bigint
  readonly blockHash: Hash
  readonly timestamp: Date
}

/** `balance.reverted`: a reorganisation took blocks above `ancestor` back, and these balances with them. */
export interface BalanceRevertedEvent extends LoggedRevert, EventPlace {}

/** `snapshot.saved`: a report was stored. */
export interface SnapshotSavedEvent extends Snapshot, EventPlace {}

/** `history.extended`: records of past blocks were written anew. */
export interface HistoryExtendedEvent extends LoggedExtension, EventPlace {}

/** `token.changed`: what is known of a token changed. */
export interface TokenChangedEvent extends Pick<LoggedToken, 'chainId' | 'accruing'>, TokenFields, EventPlace {
  readonly tokenAddress: Address | 'native'
}

/** `watch-list.changed`: wallets or tokens were added or removed. */
export interface WatchListChangedEvent extends EventPlace {
  readonly reason: string
}

/** `events.break`: events were passed over; whatever was derived from them has to be made anew. */
export interface EventBreak {
  readonly reason: LogBreak
}

/** What `@OnEvent` handlers are given, by the name of the event. */
export interface BalanceManagerEvents {
  'balance.updated': BalanceChangeEvent
  'balance.reverted': BalanceRevertedEvent
  'position.started': PositionStartedEvent
  'snapshot.saved': SnapshotSavedEvent
  'history.extended': HistoryExtendedEvent
  'token.changed': TokenChangedEvent
  'watch-list.changed': WatchListChangedEvent
  'events.break': EventBreak
}

type Named = { [Name in keyof BalanceManagerEvents]: { name: Name; payload: BalanceManagerEvents[Name] } }

/** The name and the argument with which an event of the log is emitted. @internal */
export function toNestEvent(event: LoggedEvent): Named[keyof BalanceManagerEvents] {
  const { seq } = event
  switch (event.type) {
    case 'balance.updated':
      return { name: event.type, payload: { ...event.data, ...spelled(event.data), seq } }
    case 'history.extended':
      return { name: event.type, payload: { ...event.data, ...spelled(event.data), seq } }
    case 'position.started': {
      const { decimals, symbol, name, ...data } = event.data
      const fields = toTokenFields({ decimals, symbol, name })
      return { name: event.type, payload: { ...data, ...spelled(data), ...fields, seq } }
    }
    case 'token.changed': {
      const { decimals, symbol, name, ...data } = event.data
      const tokenAddress = formatToken(data.tokenAddress)
      return { name: event.type, payload: { ...data, tokenAddress, ...toTokenFields({ decimals, symbol, name }), seq } }
    }
    case 'balance.reverted': {
      const items = event.data.items.map((item) => ({ ...item, position: spelledPosition(item.position) }))
      return { name: event.type, payload: { ...event.data, items, seq } }
    }
    case 'snapshot.saved':
      return { name: event.type, payload: { ...event.data, seq } }
    case 'watch-list.changed':
      return { name: event.type, payload: { ...event.data, seq } }
  }
}

function spelled(data: { readonly tokenAddress: Token; readonly solverAddress: Address }): {
  tokenAddress: Token
  solverAddress: Address
} {
  return { tokenAddress: formatToken(data.tokenAddress), solverAddress: toChecksumAddress(data.solverAddress) }
}

function spelledPosition(position: { readonly chainId: bigint; readonly token: Token; readonly solver: Address }): {
  chainId: bigint
  token: Token
  solver: Address
} {
  const { chainId, token, solver } = position
  return { chainId, token: formatToken(token), solver: toChecksumAddress(solver) }
}
