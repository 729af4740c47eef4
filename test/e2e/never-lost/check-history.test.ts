import { describe, expect, it } from 'vitest'

import { checkHistory, outcomesOf, rules } from './check-history.js'
import { contentOf, digestOf } from './history.js'
import type { Attempt, History, SentReport, StoredRow } from './history.js'

const TS = '2026-01-02T03:04:05.678Z'
const acknowledged = (id: string, timestamp = TS): Attempt => ({ kind: 'acknowledged', id, timestamp })
const unknown: Attempt = { kind: 'unknown', reason: 'cut' }
const refused: Attempt = { kind: 'refused', code: 'overloaded' }

const content = (number: number): string => contentOf({ onchain: { report: number }, onsite: { usd: '1.50' } })

function sent(number: number, attempts: readonly Attempt[], key: string | null = null): SentReport {
  return { number, key, ts: TS, content: content(number), attempts }
}

function row(seq: number, id: string, number: number, key: string | null = null): StoredRow {
  return { seq, id, key, ts: TS, content: content(number) }
}

/** Three reports stored, one of them unknown to its caller; a viewer that was cut once. */
function history(): History {
  const rows = [row(1, 'a', 1), row(2, 'b', 2, 'key-2'), row(3, 'c', 3)]
  const seen = rows.map(({ seq, id, ts, content: text }) => ({ seq, id, digest: digestOf(ts, text) }))
  return {
    reports: [
      sent(1, [acknowledged('a')]),
      sent(2, [unknown, acknowledged('b'), acknowledged('b')], 'key-2'),
      sent(3, [unknown]),
      sent(4, [unknown]),
      sent(5, [refused]),
    ],
    viewers: [
      {
        name: 'viewer 1',
        watches: [
          { asked: 0, greeted: 0, resync: null, ended: null, seen: seen.slice(0, 2) },
          { asked: 2, greeted: null, resync: null, ended: null, seen: [] },
          { asked: 2, greeted: 2, resync: null, ended: null, seen: seen.slice(2) },
        ],
      },
      { name: 'viewer 2', watches: [{ asked: null, greeted: 1, resync: null, ended: null, seen: seen.slice(1) }] },
    ],
    stored: { rows, log: rows.map(({ seq, id }) => ({ seq, id })), head: 3 },
    settled: true,
  }
}

type Draft = { -readonly [Key in keyof History]: History[Key] }

const rulesOf = (checked: History): string[] => [...new Set(checkHistory(checked).map(({ rule }) => rule))]

/** The history with something wrong in what is stored; the log follows the rows. */
function withRows(change: (rows: StoredRow[]) => StoredRow[]): History {
  const right = history()
  const rows = change([...right.stored.rows])
  return { ...right, viewers: [], stored: { rows, log: rows.map(({ seq, id }) => ({ seq, id })), head: rows.length } }
}

/** The history with something wrong in what the first viewer saw. */
function withViewer(change: (watches: History['viewers'][number]['watches']) => unknown[]): History {
  const right = history()
  const watches = change(right.viewers[0]!.watches) as History['viewers'][number]['watches']
  return { ...right, viewers: [{ name: 'viewer 1', watches }] }
}

describe('the checker of histories', () => {
  it('finds nothing wrong with a history that is right', () => {
    expect(checkHistory(history())).toEqual([])
    expect(outcomesOf(history().reports)).toEqual({ acknowledged: 2, unknown: 2, refused: 1 })
  })

  it('finds an acknowledged report that is not stored', () => {
    expect(rulesOf(withRows(([, ...rest]) => rest.map((kept, index) => ({ ...kept, seq: index + 1 }))))).toEqual([
      rules.storedAcknowledged,
    ])
  })

  it('finds an acknowledged report that is stored under another id, with another body or for another time', () => {
    expect(rulesOf(withRows(([, ...rest]) => [row(1, 'z', 1), ...rest]))).toEqual([rules.storedAcknowledged])
    expect(rulesOf(withRows(([, ...rest]) => [row(1, 'a', 99), ...rest]))).toEqual([
      rules.storedAcknowledged,
      rules.sentStored,
    ])
    const late = { ...row(1, 'a', 1), ts: '2026-01-02T03:04:05.679Z' }
    expect(rulesOf(withRows(([, ...rest]) => [late, ...rest]))).toEqual([rules.sentStored, rules.storedAcknowledged])
  })

  it('finds a key whose acknowledgements name two rows', () => {
    const wrong: Draft = history()
    wrong.reports = [...wrong.reports.slice(0, 1), sent(2, [acknowledged('b'), acknowledged('x')], 'key-2')]
    wrong.reports = [...wrong.reports, ...history().reports.slice(2)]
    expect(rulesOf(wrong)).toEqual([rules.oneAnswer])
  })

  it('finds a refused report that is stored', () => {
    expect(rulesOf(withRows((rows) => [...rows, row(4, 'd', 5)]))).toEqual([rules.absentRefused])
  })

  it('finds a row that nobody sent', () => {
    expect(rulesOf(withRows((rows) => [...rows, row(4, 'd', 77)]))).toEqual([rules.sentStored])
  })

  it('finds a report that is stored twice, and a key', () => {
    expect(rulesOf(withRows((rows) => [...rows, row(4, 'd', 3)]))).toEqual([rules.onceStored])
    expect(rulesOf(withRows((rows) => [...rows, row(4, 'd', 2, 'key-2')]))).toEqual([rules.onceKeyed, rules.onceStored])
    expect(rulesOf(withRows((rows) => [...rows, row(4, 'd', 4, 'key-4')]))).toEqual([rules.keptKey])
  })

  it('finds a gap in the log, an entry without its row and a row without its entry', () => {
    const { stored } = history()
    const check = (wrong: Partial<History['stored']>): string[] =>
      rulesOf({ ...history(), viewers: [], stored: { ...stored, ...wrong } })
    const [first, second, third] = stored.log
    expect(check({ log: [first!, { ...second!, seq: 3 }, { ...third!, seq: 4 }], head: 4 })).toContain(rules.contiguous)
    expect(check({ head: 4 })).toEqual([rules.contiguous])
    expect(check({ log: [first!, third!, second!].map(({ id }, index) => ({ seq: index + 1, id })) })).toEqual([
      rules.logged,
    ])
    expect(check({ rows: stored.rows.slice(0, 2) })).toEqual([rules.logged])
  })

  it('finds an event that a viewer missed, saw twice or out of order, within a connection or between two', () => {
    const missed = withViewer(([first, second, third]) => [{ ...first, seen: first!.seen.slice(1) }, second, third])
    expect(rulesOf(missed)).toEqual([rules.sequence])
    const between = withViewer(([first, , third]) => [
      first,
      { ...third, greeted: 1, seen: [...first!.seen, ...third!.seen] },
    ])
    expect(rulesOf(between)).toEqual([rules.resumed, rules.sequence])
    const twice = withViewer(([first, , third]) => [first, { ...third, seen: [...third!.seen, ...third!.seen] }])
    expect(rulesOf(twice)).toEqual([rules.sequence])
    const turned = withViewer(([first, , third]) => [{ ...first, seen: [...first!.seen.toReversed(), ...third!.seen] }])
    expect(rulesOf(turned)).toEqual([rules.sequence])
  })

  it('finds a viewer that was greeted elsewhere than where it was, or told to start over', () => {
    expect(rulesOf(withViewer(([first, , third]) => [first, { ...third, greeted: 3 }]))).toEqual([rules.resumed])
    expect(rulesOf(withViewer(([first, , third]) => [first, { ...third, resync: 'expired' }]))).toEqual([
      rules.noResync,
    ])
  })

  it('finds an event that is not what is stored', () => {
    const seen = [{ seq: 3, id: 'c', digest: digestOf(TS, content(4)) }]
    expect(rulesOf(withViewer(([first, , third]) => [first, { ...third, seen }]))).toEqual([rules.pushedStored])
    const other = [{ seq: 3, id: 'x', digest: digestOf(TS, content(3)) }]
    expect(rulesOf(withViewer(([first, , third]) => [first, { ...third, seen: other }]))).toEqual([rules.pushedStored])
  })

  it('finds a viewer that did not get to the end, where it had the time to', () => {
    const behind = withViewer(([first]) => [first])
    expect(rulesOf(behind)).toEqual([rules.caughtUp])
    expect(rulesOf({ ...behind, settled: false })).toEqual([])
  })

  it('tells a rule that is broken very often a few times, and how often', () => {
    const found = checkHistory(
      withRows((rows) => [...rows, ...Array.from({ length: 50 }, (_, at) => row(at + 4, `r${at}`, at + 100))]),
    )
    expect(found).toHaveLength(6)
    expect(found.at(-1)?.found).toBe('45 times more')
  })
})
