import { describe, expect, it } from 'vitest'

import type { Address } from '../model/address.js'
import type { TidemarkEvent } from '../model/event.js'
import { positionKey } from '../model/position.js'
import type { Token } from '../model/position.js'
import type { TokenMetadata } from '../model/token-metadata.js'
import { describeTokens } from './describe-tokens.js'
import type { StoredPosition } from './ledger-store.js'

const token: Address = `0x${'70'.repeat(20)}`
const known: TokenMetadata = { decimals: 6, symbol: 'USDT', name: 'Tether' }
const held: StoredPosition = {
  chainId: 1n,
  token,
  solver: `0x${'a1'.repeat(20)}`,
  id: 1n,
  lastBalance: 100n,
  accruing: false,
  covered: true,
  fresh: false,
  staleReason: null,
  metadata: known,
}
const other: StoredPosition = { ...held, id: 2n, solver: `0x${'b2'.repeat(20)}` }

describe('describeTokens', () => {
  it('tells once for each token what is new', () => {
    expect(tell([held, other], { ...known, symbol: 'USDT0' })).toEqual([
      {
        type: 'token.changed',
        data: { chainId: 1n, tokenAddress: token, accruing: false, decimals: 6, symbol: 'USDT0', name: 'Tether' },
      },
    ])
  })

  it('says nothing when the token says what it said before, or less', () => {
    expect(tell([held], known)).toEqual([])
    expect(tell([held], { decimals: null, symbol: null, name: null })).toEqual([])
  })

  it('leaves the first words of a token to the start of its positions', () => {
    const unknown = { decimals: null, symbol: null, name: null }
    expect(tell([{ ...held, fresh: true, metadata: unknown }], known)).toEqual([])
    expect(tell([{ ...held, metadata: unknown }], known)).toHaveLength(1)
  })

  it('tells that a token became accruing', () => {
    expect(tell([held], undefined, [token])).toMatchObject([{ data: { accruing: true, ...known } }])
  })

  it('tells that a token is accruing no more', () => {
    const accruing = { ...held, accruing: true }
    expect(tell([accruing], undefined, [], [token])).toMatchObject([{ data: { accruing: false, ...known } }])
    expect(tell([accruing], known)).toEqual([])
  })
})

function tell(
  positions: readonly StoredPosition[],
  read: TokenMetadata | undefined,
  accruing: readonly Token[] = [],
  settled: readonly Token[] = [],
): readonly TidemarkEvent[] {
  return describeTokens(new Map(positions.map((position) => [positionKey(position), position])), {
    metadata: new Map(read === undefined ? [] : [[token, read]]),
    accruing,
    settled,
  })
}
