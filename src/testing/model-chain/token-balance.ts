import type { Address } from '../../model/address.js'
import { unreadableKinds } from './model-token.js'
import type { ModelToken } from './model-token.js'
import { codeKey, figureKey, nativeKey, unitsKey } from './state.js'
import type { StateReader } from './state.js'

/** An index of one. */
export const ONE: bigint = 10n ** 18n
/** What an accruing token's index gains in a second. */
const GROWTH_PER_SECOND = 10n ** 11n

/** What one unit of a token is worth at this time, in 10^-18. */
export function indexOf(token: ModelToken, state: StateReader, timestampSeconds: number): bigint {
  if (token.kind === 'rebasing' || token.kind === 'rebasing-with-event') {
    return state.get(figureKey(token.address, 'index'))
  }
  if (token.kind !== 'accruing') return ONE
  return ONE + GROWTH_PER_SECOND * (BigInt(timestampSeconds) - state.get(figureKey(token.address, 'since')))
}

/** What the token's own book says, whether or not anyone can read it. */
export function ownedOf(
  token: ModelToken,
  state: StateReader,
  at: { readonly holder: Address; readonly timestampSeconds: number },
): bigint {
  if (token.kind === 'native-alias') return state.get(nativeKey(at.holder))
  return (state.get(unitsKey(token.address, at.holder)) * indexOf(token, state, at.timestampSeconds)) / ONE
}

/** What a reader of `balanceOf` must find: the balance, or that there is none to be had. */
export function readableBalance(
  token: ModelToken,
  state: StateReader,
  at: { readonly holder: Address; readonly timestampSeconds: number },
): bigint | 'unreadable' {
  const broken = state.get(figureKey(token.address, 'broken')) !== 0n
  if (unreadableKinds.has(token.kind) || broken || state.get(codeKey(token.address)) === 0n) return 'unreadable'
  return ownedOf(token, state, at)
}
