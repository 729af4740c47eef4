import { describe, expect, it } from 'vitest'

import { ageText, amountText, changeText } from './amount-text.js'

describe('amountText', () => {
  it.each([
    [0n, 18, '0.000000'],
    [1_999_999_999_999_999_999n, 18, '1.999999'],
    [-1_999_999_999_999_999_999n, 18, '−1.999999'],
    [1_234_567_000_000n, 6, '1,234,567.000000'],
    [999n, 0, '999.000000'],
    [1_234_567n, null, '1,234,567'],
    [
      2n ** 256n - 1n,
      0,
      '115,792,089,237,316,195,423,570,985,008,687,907,853,269,984,665,640,564,039,457,584,007,913,129,639,935.000000',
    ],
  ])('shows %s with %s decimals as %s, cut and never rounded up', (units, decimals, text) => {
    expect(amountText(units, decimals)).toBe(text)
  })

  it('never shows an amount that is not 0 as 0', () => {
    expect(amountText(999_999_999_999n, 18)).toBe('<0.000001')
    expect(amountText(-1n, 255)).toBe('−<0.000001')
    expect(amountText(10n ** 18n + 1n, 18)).toBe('1.000000')
  })
})

describe('changeText', () => {
  it('carries the sign, and a dash where nothing changed yet', () => {
    expect([5_000_000n, -5_000_000n, 0n, 1n].map((change) => changeText(change, 6))).toEqual([
      '+5.000000',
      '−5.000000',
      '0.000000',
      '+0.000001',
    ])
    expect(changeText(null, 6)).toBe('–')
  })
})

describe('ageText', () => {
  it('uses the largest unit, and takes a block of the near future as new', () => {
    expect([-2_000, 0, 59_999, 60_000, 3_599_999, 7_200_000].map(ageText)).toEqual([
      '0 s',
      '0 s',
      '59 s',
      '1 min',
      '59 min',
      '2 h',
    ])
  })
})
