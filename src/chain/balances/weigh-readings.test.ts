import { describe, expect, it } from 'vitest'

import type { BalanceReading } from '../../model/chain-event.js'
import { placesToAvoid, weighReadings } from './weigh-readings.js'
import type { Voice } from './weigh-readings.js'

const position = { chainId: 1n, token: 'native', solver: '0x0000000000000000000000000000000000abc001' } as const

function says(place: number, ...balances: readonly (bigint | null)[]): Voice {
  const readings = balances.map((balance): BalanceReading =>
    balance === null ? { kind: 'failed', position, reason: 'unreadable' } : { kind: 'balance', position, balance },
  )
  return { place, readings }
}

describe('a reading of a block', () => {
  it('that nothing explains is confirmed by a second one, of another endpoint or of the only one', () => {
    expect(weighReadings([says(0, 7n)], false)).toBe('alone')
    expect(weighReadings([says(0, 7n)], true)).toBe('confirmed')
    expect(weighReadings([says(0, 7n), says(1, 7n)], false)).toBe('confirmed')
    expect(weighReadings([says(0, 8n), says(0, 7n), says(0, 7n)], false)).toBe('confirmed')
    expect(weighReadings([says(0, 7n), says(0, 8n), says(0, 7n)], false)).toBe('alone')
  })

  it('is never taken against as many endpoints as are for it, whatever explains it', () => {
    expect(weighReadings([says(0, 7n), says(1, 8n)], true)).toBe('contradicted')
    expect(weighReadings([says(0, 7n), says(1, 8n), says(1, 8n)], false)).toBe('contradicted')
    expect(weighReadings([says(0, 7n), says(1, 8n), says(2, 7n)], false)).toBe('confirmed')
    expect(weighReadings([says(0, 7n), says(1, 8n), says(2, 8n)], false)).toBe('confirmed')
  })

  it('that an endpoint takes back counts for what it says now', () => {
    expect(weighReadings([says(0, 7n), says(1, 8n), says(0, 8n)], false)).toBe('confirmed')
  })

  it('that lacks a balance contradicts nobody', () => {
    expect(weighReadings([says(0, 7n, null), says(1, 7n, 9n)], false)).toBe('alone')
    expect(weighReadings([says(0, 7n, null), says(1, 7n, 9n), says(1, 7n, 9n)], false)).toBe('confirmed')
  })
})

describe('the endpoint that is asked next', () => {
  it('is one that was not heard, then the one that was heard least, the last of them', () => {
    expect([...placesToAvoid([says(0, 7n)], 3)]).toEqual([0])
    expect([...placesToAvoid([says(0, 7n), says(2, 8n)], 3)]).toEqual([0, 2])
    expect([...placesToAvoid([says(0, 7n), says(1, 8n)], 2)]).toEqual([0])
    expect([...placesToAvoid([says(0, 7n), says(1, 8n), says(1, 8n)], 2)]).toEqual([1])
    expect([...placesToAvoid([says(0, 7n)], 1)]).toEqual([])
  })
})
