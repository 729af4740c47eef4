import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { bisect } from './bisect.js'
import type { ReadStates, StatePoint } from './bisect.js'

/** One block of an account: what it received, and whether it sent everything on. */
const anyBlock = fc.record({
  received: fc.constantFrom(0n, 0n, 0n, 1n, 5n),
  sweeps: fc.constantFrom(false, false, true),
})
const anyAccount = fc.array(anyBlock, { minLength: 64, maxLength: 64 })

describe('bisect', () => {
  it('finds every change of plain accounts, also deposits that were swept away again', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyAccount, { minLength: 1, maxLength: 5 }), async (accounts) => {
        const histories = accounts.map(historyOf)
        const steps = await bisect(histories.map(wholeOf), readerOf(histories))
        expect(steps.every(({ low, high }) => high.number === low.number + 1n)).toBe(true)
        histories.forEach((history, index) => {
          const found = steps.filter((step) => step.index === index && step.low.balance !== step.high.balance)
          const expected = history.filter(({ balance }, place) => place > 0 && balance !== history[place - 1]?.balance)
          expect(found.map(({ high }) => `${high.number} ${high.balance}`)).toEqual(
            expected.map(({ number, balance }) => `${number} ${balance}`),
          )
        })
      }),
    )
  })

  it('reads each block once for all accounts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyAccount, { minLength: 3, maxLength: 3 }), async (accounts) => {
        const histories = accounts.map(historyOf)
        const read: bigint[] = []
        const reader = readerOf(histories)
        await bisect(histories.map(wholeOf), (wanted) => {
          read.push(...wanted.keys())
          return reader(wanted)
        })
        expect(new Set(read).size).toBe(read.length)
      }),
    )
  })

  it('leaves an interval as wide as it is where it cannot be read', async () => {
    const history = historyOf(Array.from({ length: 64 }, () => ({ received: 1n, sweeps: false })))
    const steps = await bisect([wholeOf(history, 0)], (wanted) =>
      Promise.resolve(new Map([...wanted].map(([number, states]) => [number, states.map(() => null)]))),
    )
    expect(steps).toEqual([wholeOf(history, 0)])
  })
})

function historyOf(blocks: readonly { readonly received: bigint; readonly sweeps: boolean }[]): readonly StatePoint[] {
  const history: StatePoint[] = [{ number: 0n, balance: 0n, fingerprint: 0n }]
  for (const { received, sweeps } of blocks) {
    const { number, balance, fingerprint } = history.at(-1) ?? { number: 0n, balance: 0n, fingerprint: 0n }
    history.push({
      number: number + 1n,
      balance: sweeps ? 0n : balance + received,
      fingerprint: sweeps ? fingerprint + 1n : fingerprint,
    })
  }
  return history
}

function wholeOf(history: readonly StatePoint[], index: number): { index: number; low: StatePoint; high: StatePoint } {
  const [low] = history
  const high = history.at(-1)
  if (low === undefined || high === undefined) throw new Error('expected a history')
  return { index, low, high }
}

/** Gives fingerprints only where they are asked for. */
function readerOf(histories: readonly (readonly StatePoint[])[]): ReadStates {
  return (wanted) =>
    Promise.resolve(
      new Map(
        [...wanted].map(([number, states]) => [
          number,
          states.map(({ index, withFingerprint }) => {
            const state = histories[index]?.[Number(number)]
            return state === undefined ? null : { ...state, fingerprint: withFingerprint ? state.fingerprint : -1n }
          }),
        ]),
      ),
    )
}
