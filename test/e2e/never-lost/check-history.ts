import { digestOf } from './history.js'
import type { Attempt, History, SentReport, Stored, StoredRow, ViewerHistory } from './history.js'

/** Violations told of one rule; a broken rule tends to be broken very often. */
const TOLD_MAX = 5

export const rules = {
  storedAcknowledged: 'what was acknowledged is stored, with the same id and body',
  oneAnswer: 'every acknowledgement of a report names the same row',
  absentRefused: 'what was refused is not stored',
  sentStored: 'what is stored was sent, acknowledged or not known',
  onceStored: 'a report is stored once',
  onceKeyed: 'a key is stored once',
  keptKey: 'a row has the key of its report',
  contiguous: 'seq has no gap and none twice',
  logged: 'every row has one entry of the log, with its seq',
  resumed: 'a greeting goes on where its viewer was',
  noResync: 'no viewer is told to start over',
  sequence: 'a viewer sees each event once, in order, and misses none',
  pushedStored: 'what is pushed is what is stored',
  caughtUp: 'a viewer reaches the end of the log',
} as const

type Rule = (typeof rules)[keyof typeof rules]

/** Something that must not be. */
export interface Violation {
  readonly rule: Rule
  readonly found: string
}

type Tell = (rule: Rule, found: string) => void

/**
 * Holds what callers were told and viewers saw against what is stored.
 *
 * A report counts as acknowledged when one attempt was; as refused when every attempt was; else nobody knows, and it may
 * be stored once or not at all.
 */
export function checkHistory(history: History): readonly Violation[] {
  const violations: Violation[] = []
  const told = new Map<Rule, number>()
  const tell: Tell = (rule, found) => {
    const before = told.get(rule) ?? 0
    told.set(rule, before + 1)
    if (before < TOLD_MAX) violations.push({ rule, found })
  }
  checkStored(history.stored, tell)
  checkReports(history, tell)
  for (const viewer of history.viewers) checkViewer(viewer, history, tell)
  const more = [...told].filter(([, count]) => count > TOLD_MAX)
  return [...violations, ...more.map(([rule, count]) => ({ rule, found: `${count - TOLD_MAX} times more` }))]
}

/** What the callers of a history know, for a test to tell and to demand that something happened at all. */
export function outcomesOf(reports: readonly SentReport[]): Record<Outcome, number> {
  const counts = { acknowledged: 0, unknown: 0, refused: 0 }
  for (const report of reports) counts[outcomeOf(report)] += 1
  return counts
}

export type Outcome = Attempt['kind']

function outcomeOf({ attempts }: SentReport): Outcome {
  if (attempts.some(({ kind }) => kind === 'acknowledged')) return 'acknowledged'
  return attempts.some(({ kind }) => kind === 'unknown') ? 'unknown' : 'refused'
}

function checkStored({ rows, log, head }: Stored, tell: Tell): void {
  log.forEach(({ seq }, index) => {
    if (seq !== index + 1) tell(rules.contiguous, `expected seq ${index + 1}, got ${seq}`)
  })
  if (log.length !== head) tell(rules.contiguous, `expected ${head} entries up to the head, got ${log.length}`)
  const idAt = new Map(log.map(({ seq, id }) => [seq, id]))
  for (const row of rows) {
    if (idAt.get(row.seq) !== row.id) tell(rules.logged, `row ${row.id} at seq ${row.seq}, log: ${idAt.get(row.seq)}`)
  }
  if (rows.length !== log.length) tell(rules.logged, `${rows.length} rows, ${log.length} entries`)
  const keys = new Map<string, string>()
  for (const { key, id } of rows) {
    if (key === null) continue
    const other = keys.get(key)
    if (other !== undefined) tell(rules.onceKeyed, `key ${key}: ${other} and ${id}`)
    keys.set(key, id)
  }
}

function checkReports({ reports, stored }: History, tell: Tell): void {
  const byContent = new Map<string, StoredRow[]>()
  for (const row of stored.rows) {
    const same = byContent.get(row.content)
    if (same === undefined) byContent.set(row.content, [row])
    else same.push(row)
  }
  for (const report of reports) {
    const rows = byContent.get(report.content) ?? []
    byContent.delete(report.content)
    checkReport(report, rows, tell)
  }
  for (const [content, rows] of byContent) {
    tell(rules.sentStored, `nobody sent ${rows.map(({ id }) => id).join(', ')}: ${content}`)
  }
}

function checkReport(report: SentReport, rows: readonly StoredRow[], tell: Tell): void {
  const name = `report ${report.number} (key ${report.key}, ${report.attempts.map(({ kind }) => kind).join(', ')})`
  if (rows.length > 1) tell(rules.onceStored, `${name}: ${rows.map(({ id }) => id).join(', ')}`)
  for (const row of rows) {
    if (row.key !== report.key) tell(rules.keptKey, `${name}: ${row.id} has the key ${row.key}`)
    if (report.ts !== null && row.ts !== report.ts) tell(rules.sentStored, `${name}: sent ${report.ts}, got ${row.ts}`)
  }
  const answers = report.attempts.filter((attempt) => attempt.kind === 'acknowledged')
  const [answer] = answers
  if (answer === undefined) {
    if (outcomeOf(report) === 'refused' && rows.length > 0) tell(rules.absentRefused, `${name}: ${rows[0]?.id}`)
    return
  }
  for (const other of answers) {
    if (other.id !== answer.id || other.timestamp !== answer.timestamp) {
      tell(rules.oneAnswer, `${name}: ${answer.id} ${answer.timestamp} and ${other.id} ${other.timestamp}`)
    }
  }
  const row = rows.find(({ id }) => id === answer.id)
  if (row === undefined) tell(rules.storedAcknowledged, `${name}: ${answer.id} is not stored with this body`)
  else if (row.ts !== answer.timestamp) {
    tell(rules.storedAcknowledged, `${name}: acknowledged for ${answer.timestamp}, stored for ${row.ts}`)
  }
}

function checkViewer(viewer: ViewerHistory, { stored, settled }: History, tell: Tell): void {
  const rowAt = new Map(stored.rows.map((row) => [row.seq, row]))
  /** Everything up to here has been seen; null before the first greeting. */
  let position: number | null = null
  viewer.watches.forEach((watch, index) => {
    const name = `${viewer.name}, connection ${index + 1}`
    if (watch.resync !== null) tell(rules.noResync, `${name}: ${watch.resync}`)
    if (watch.greeted === null) {
      if (watch.seen.length > 0) tell(rules.resumed, `${name}: events without a greeting`)
      return
    }
    const expected = position ?? watch.asked
    if (expected !== null && watch.greeted !== expected) {
      tell(rules.resumed, `${name}: expected ${expected}, got ${watch.greeted}`)
    }
    position ??= watch.greeted
    for (const { seq, id, digest } of watch.seen) {
      if (seq !== position + 1) tell(rules.sequence, `${name}: expected seq ${position + 1}, got ${seq}`)
      position = seq
      const row = rowAt.get(seq)
      if (row === undefined || row.id !== id || digestOf(row.ts, row.content) !== digest) {
        tell(rules.pushedStored, `${name}: seq ${seq} is ${id} with ${digest}, stored: ${JSON.stringify(row)}`)
      }
    }
  })
  if (settled && position !== stored.head) {
    tell(rules.caughtUp, `${viewer.name}: reached ${position}, the log ends at ${stored.head}`)
  }
}
