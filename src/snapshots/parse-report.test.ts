import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { snapshotReportSchema } from '../model/snapshot-report.js'
import { times } from '../../test/support/long.js'
import { InvalidSnapshotError, hashReport, parseIdempotencyKey, parseReport } from './parse-report.js'
import { readReport } from './read-report.js'

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

/** Reports that are mostly right, with a wrong thing here and there. */
const oftenRight = <T>(right: fc.Arbitrary<T>, wrong: readonly unknown[]): fc.Arbitrary<unknown> =>
  fc.oneof({ arbitrary: right, weight: 60 }, { arbitrary: fc.constantFrom(...wrong), weight: 1 })
const anyAmount = oftenRight(
  fc.oneof(
    fc.double({ min: 0, max: 2 ** 53 - 1, noNaN: true }).map((amount) => amount + 0),
    fc.nat(),
    fc.stringMatching(/^(0|[1-9]\d{0,77})(\.\d{1,36})?$/),
  ),
  [
    -1,
    -0,
    Number.NaN,
    Infinity,
    2 ** 53,
    1e30,
    '',
    '-1',
    '1e5',
    '01',
    '1.',
    '.5',
    '1'.repeat(79),
    null,
    true,
    [],
    {},
    ' 1',
  ],
)
const anyName = oftenRight(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,31}$/), [
  '',
  '_a',
  'a b',
  'ü',
  'a'.repeat(33),
  '$ne',
])
const anyBook = oftenRight(
  fc.array(fc.tuple(anyName, anyAmount), { minLength: 1, maxLength: 6 }).map((entries) => Object.fromEntries(entries)),
  [null, undefined, {}, [], 'x', 1, Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`a${index}`, 1]))],
)
const anyTime = oftenRight(
  fc.oneof(
    fc.date({ min: new Date(0), max: new Date(), noInvalidDate: true }).map((date) => date.toISOString()),
    fc.constantFrom('2024-02-29T23:59:59+14:00', '2025-11-07T00:45:08.603123-23:59', '1970-01-01T00:00:00Z', undefined),
  ),
  [
    '',
    'yesterday',
    0,
    null,
    '2025-02-29T00:00:00Z',
    '2025-11-07T24:00:00Z',
    '2025-11-07T00:45:08',
    '2025-11-07T00:45Z',
    '1969-12-31T23:59:59Z',
    '1970-01-01T00:00:00+00:01',
    '2999-01-01T00:00:00Z',
    '2025-11-07t00:45:08z',
    '2025-11-07T00:45:08+0200',
  ],
)
const anyPid = oftenRight(fc.option(fc.integer({ min: 1 }), { nil: undefined }), [
  0,
  -1,
  1.5,
  '1',
  null,
  2 ** 53,
  Infinity,
])
const anyReport = oftenRight(
  fc.record({ ts: anyTime, pid: anyPid, onchain: anyBook, onsite: anyBook }, { requiredKeys: ['onchain', 'onsite'] }),
  [null, undefined, [], 'x', 1, {}, { ...valid, extra: 1 }, { onchain: valid.onchain }],
)

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
    const report = parseReport({ onchain: { a: 7656.36, b: '0.10' }, onsite: { c: 1e-7 } })
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

  it('is taken or refused alike, whether it is read quickly or by the schema', () => {
    const met = { taken: 0, refused: 0 }
    fc.assert(
      fc.property(anyReport, (body) => {
        const parsed = snapshotReportSchema.safeParse(body)
        const quick = readReport(body)
        expect(quick === null).toBe(!parsed.success)
        if (quick === null) met.refused += 1
        else met.taken += 1
        expect(JSON.stringify(quick)).toBe(JSON.stringify(parsed.success ? parsed.data : null))
      }),
      { numRuns: times(1500, 100_000) },
    )
    expect(Math.min(met.taken, met.refused)).toBeGreaterThan(100)
  })

  it('is copied: nothing that its sender still holds is kept', () => {
    const sent = { ...valid, onchain: { rlb: 1 } }
    const report = parseReport(sent)
    sent.onchain.rlb = 2
    expect(report.onchain).toEqual({ rlb: 1 })
    expect(Object.keys(report.onchain)).toEqual(['rlb'])
  })

  it('hashes equal bodies alike whatever the order of their keys, and different ones apart', () => {
    const hash = (body: unknown): string => hashReport(parseReport(body))
    const swapped = { onsite: { usd: 7646.96, rlb: 101132.407627 }, onchain: { usdt: 7656.36, rlb: 100074.99978 } }
    expect(hash(swapped)).toBe(hash(valid))
    expect(hash({ ...valid, pid: 1 })).not.toBe(hash(valid))
    expect(hash({ ...valid, onchain: { rlb: '100074.99978', usdt: 7656.36 } })).not.toBe(hash(valid))
  })

  it.each(['', 'a b', 'ü', 'x'.repeat(129), 5, null, {}, 'a\n'])('refuses %j as idempotency key', (key) => {
    expect(() => parseIdempotencyKey(key)).toThrow(InvalidSnapshotError)
  })
})
