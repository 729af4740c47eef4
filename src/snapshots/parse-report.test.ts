import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { InvalidSnapshotError, parseIdempotencyKey, parseReport } from './parse-report.js'

const valid = { onchain: { rlb: 100074.99978, usdt: 7656.36 }, onsite: { rlb: 101132.407627, usd: 7646.96 } }

/** Paths and messages of what is wrong with a body. */
function issuesOf(body: unknown): readonly (readonly [string, string])[] {
  try {
    parseReport(body)
  } catch (error) {
    if (error instanceof InvalidSnapshotError) return error.issues.map((issue) => [issue.path, issue.message])
    throw error
  }
  return []
}

const withAmount = (amount: unknown): unknown => ({ ...valid, onchain: { rlb: amount } })
const nested = (depth: number): unknown => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`)

describe('a report', () => {
  it.each([
    ['the document’s example', { ts: '2025-11-07T00:45:08.603Z', pid: 1132978, ...valid }],
    ['no ts and no pid', valid],
    ['an offset in ts', { ts: '2025-11-07T02:45:08+02:00', ...valid }],
    ['exact decimals as text', withAmount('123456789012345678901234567890.123456789012345678')],
    ['zero', withAmount(0)],
    ['zero as text', withAmount('0')],
    ['an asset name of every allowed kind', { ...valid, onsite: { 'USDC.e_1:x-Y': 1 } }],
    ['a name of the object prototype', { ...valid, onsite: { constructor: 1, toString: 2 } }],
  ])('is taken with %s', (_what, body) => {
    expect(issuesOf(body)).toEqual([])
  })

  it('keeps amounts exactly as they were sent', () => {
    const { report } = parseReport({ onchain: { a: 7656.36, b: '0.10' }, onsite: { c: 1e-7 } })
    expect(JSON.stringify(report.onchain)).toBe('{"a":7656.36,"b":"0.10"}')
    expect(report.onsite['c']).toBe(1e-7)
  })

  it.each<[string, unknown, string, RegExp]>([
    ['nothing', undefined, '', /expected/i],
    ['null', null, '', /expected/i],
    ['a list', [], '', /expected/i],
    ['a text', 'x', '', /expected/i],
    ['no onchain book', { onsite: valid.onsite }, 'onchain', /expected an object of asset names and amounts/],
    ['an empty book', { ...valid, onsite: {} }, 'onsite', /at least one asset/],
    ['a list as book', { ...valid, onsite: [1] }, 'onsite', /expected an object/],
    [
      'too many assets',
      { ...valid, onsite: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`a${i}`, 1])) },
      'onsite',
      /at most 64/,
    ],
    ['an unknown field', { ...valid, extra: 1 }, 'extra', /unknown field/],
    ['a negative amount', withAmount(-4), 'onchain.rlb', /non-negative/],
    ['minus zero', withAmount(-0), 'onchain.rlb', /non-negative/],
    ['infinity', JSON.parse('{"onchain":{"rlb":1e309},"onsite":{"a":1}}'), 'onchain.rlb', /finite/],
    ['an integer beyond 2^53', withAmount(2 ** 53 + 2), 'onchain.rlb', /2\^53-1/],
    ['a word as amount', withAmount('abc'), 'onchain.rlb', /plain decimal/],
    ['an exponent as text', withAmount('1e5'), 'onchain.rlb', /plain decimal/],
    ['a hexadecimal text', withAmount('0x10'), 'onchain.rlb', /plain decimal/],
    ['a signed text', withAmount('-1'), 'onchain.rlb', /plain decimal/],
    ['an empty text', withAmount(''), 'onchain.rlb', /plain decimal/],
    ['79 integer digits', withAmount('1'.repeat(79)), 'onchain.rlb', /78 integer digits/],
    ['37 decimals', withAmount(`0.${'1'.repeat(37)}`), 'onchain.rlb', /36 decimals/],
    ['a NUL in an amount', withAmount('1\u0000'), 'onchain.rlb', /plain decimal/],
    ['null as amount', withAmount(null), 'onchain.rlb', /expected/],
    ['true as amount', withAmount(true), 'onchain.rlb', /expected/],
    ['a nested amount', withAmount(nested(8000)), 'onchain.rlb', /expected/],
    ['a deep body', nested(8000), '', /expected/i],
    ['an asset name with a space', { ...valid, onchain: { 'a b': 1 } }, 'onchain.a b', /asset name/],
    [
      'an asset name too long',
      { ...valid, onchain: { ['a'.repeat(33)]: 1 } },
      `onchain.${'a'.repeat(33)}`,
      /asset name/,
    ],
    ['a name with a dollar', { ...valid, onchain: { $ne: 1 } }, 'onchain.$ne', /asset name/],
    ['a day as ts', { ...valid, ts: 'yesterday' }, 'ts', /ISO 8601/],
    ['a number as ts', { ...valid, ts: 1 }, 'ts', /ISO 8601/],
    ['a ts without zone', { ...valid, ts: '2025-11-07T00:45:08' }, 'ts', /ISO 8601/],
    ['a ts of an impossible day', { ...valid, ts: '2025-02-30T00:00:00Z' }, 'ts', /ISO 8601/],
    ['a ts before 1970', { ...valid, ts: '0001-01-01T00:00:00Z' }, 'ts', /1970/],
    [
      'a ts in the future',
      { ...valid, ts: new Date(Date.now() + 600_000).toISOString() },
      'ts',
      /5 minutes in the future/,
    ],
    ['a pid of zero', { ...valid, pid: 0 }, 'pid', /./],
    ['a fraction as pid', { ...valid, pid: 1.5 }, 'pid', /positive integer/],
    ['a text as pid', { ...valid, pid: '1' }, 'pid', /positive integer/],
    ['an operator as pid', { ...valid, pid: { $ne: null } }, 'pid', /positive integer/],
  ])('is refused with %s, naming the field', (_what, body, path, message) => {
    const issues = issuesOf(body)
    expect(issues.map(([at]) => at)).toContain(path)
    expect(issues.find(([at]) => at === path)?.[1]).toMatch(message)
  })

  it.each([
    ['{"__proto__":{"x":1},"onchain":{"a":1},"onsite":{"a":1}}', '__proto__'],
    ['{"onchain":{"__proto__":1,"a":1},"onsite":{"a":1}}', 'onchain.__proto__'],
    ['{"onchain":{"a":1},"onsite":{"__proto__":{"x":1},"a":1}}', 'onsite.__proto__'],
  ])('is refused with a prototype key: %s', (text, path) => {
    expect(issuesOf(JSON.parse(text)).map(([at]) => at)).toEqual([path])
    expect(({} as Record<string, unknown>)['x']).toBeUndefined()
  })

  it('lists several faults at once, up to a limit', () => {
    const many = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`a${index}`, -1]))
    expect(issuesOf({ onchain: many, onsite: { b: 'x' } }).length).toBe(20)
  })

  it('never throws anything but its own error, whatever is sent', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, maxDepth: 4 }), (body) => {
        issuesOf(body)
        issuesOf({ onchain: body, onsite: body })
        issuesOf({ ...valid, ts: body, pid: body })
      }),
      { numRuns: 500 },
    )
  })

  it('hashes equal bodies alike whatever the order of their keys, and different ones apart', () => {
    const hash = (body: unknown): string => parseReport(body).bodyHash.toString('hex')
    const swapped = { onsite: { usd: 7646.96, rlb: 101132.407627 }, onchain: { usdt: 7656.36, rlb: 100074.99978 } }
    expect(hash(swapped)).toBe(hash(valid))
    expect(hash({ ...valid, pid: 1 })).not.toBe(hash(valid))
    expect(hash({ ...valid, onchain: { rlb: '100074.99978', usdt: 7656.36 } })).not.toBe(hash(valid))
  })

  it.each(['', 'a b', 'ü', 'x'.repeat(129), 5, null, {}, 'a\n'])('refuses %j as idempotency key', (key) => {
    expect(() => parseIdempotencyKey(key)).toThrow(InvalidSnapshotError)
  })
})
