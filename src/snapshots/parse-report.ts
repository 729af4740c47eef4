import { hash } from 'node:crypto'

import { TidemarkError } from '../model/errors.js'
import { idempotencyKeySchema, isIdempotencyKey, snapshotReportSchema } from '../model/snapshot-report.js'
import type { SnapshotReport } from '../model/snapshot-report.js'
import { readReport } from './read-report.js'

/** One thing wrong with a report: where it is, and what was expected there. */
export interface ReportIssue {
  /** Path of the field, such as `onchain.usdt`; empty for the report itself. */
  readonly path: string
  readonly message: string
}

/** The report is not acceptable; nothing of it was stored. */
export class InvalidSnapshotError extends TidemarkError {
  readonly code = 'invalid_snapshot'
  readonly issues: readonly ReportIssue[]

  constructor(issues: readonly ReportIssue[], cause?: unknown) {
    const first = issues[0]
    super(
      first === undefined
        ? 'the snapshot is not valid'
        : `${first.path === '' ? 'snapshot' : first.path}: ${first.message}`,
      {
        hint: 'Correct the named field and send the snapshot again.',
        details: { issues },
        cause,
      },
    )
    this.issues = issues
  }
}

const ISSUES_MAX = 20

/** @throws {InvalidSnapshotError} naming every field that is wrong, up to a limit. */
export function parseReport(body: unknown): SnapshotReport {
  const report = readReport(body)
  if (report !== null) return report
  const hostile = prototypeKeyPath(body)
  if (hostile !== null) throw new InvalidSnapshotError([{ path: hostile, message: 'this name is not allowed' }])
  const parsed = snapshotReportSchema.safeParse(body)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.slice(0, ISSUES_MAX).flatMap((issue) => {
    const path = issue.path.map(String)
    if (issue.code === 'unrecognized_keys') {
      return issue.keys
        .slice(0, ISSUES_MAX)
        .map((key) => ({ path: pathText([...path, key]), message: 'unknown field' }))
    }
    return [{ path: pathText(path), message: issueMessage(issue) }]
  })
  throw new InvalidSnapshotError(issues)
}

/** @throws {InvalidSnapshotError} when the key is not one. */
export function parseIdempotencyKey(key: unknown): string {
  if (isIdempotencyKey(key)) return key
  const parsed = idempotencyKeySchema.safeParse(key)
  throw new InvalidSnapshotError([{ path: 'id', message: parsed.error?.issues[0]?.message ?? 'not a valid key' }])
}

/**
 * JSON can carry `__proto__` as a field of its own, which object copying would turn into a prototype and a schema would
 * pass over in silence.
 */
function prototypeKeyPath(body: unknown): string | null {
  if (typeof body !== 'object' || body === null) return null
  if (Object.hasOwn(body, '__proto__')) return '__proto__'
  for (const [field, value] of Object.entries(body)) {
    if (typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__'))
      return `${pathText([field])}.__proto__`
  }
  return null
}

interface SchemaIssue {
  readonly code: string
  readonly message: string
}

/** A union reports each branch; the reader wants the reason that fits what was sent. */
function issueMessage(
  issue: SchemaIssue & {
    readonly errors?: readonly (readonly SchemaIssue[])[]
    readonly issues?: readonly SchemaIssue[]
  },
): string {
  if (issue.code === 'invalid_union') {
    const nested = (issue.errors ?? []).flat()
    const fitting = nested.find((branch) => branch.code !== 'invalid_type')
    return fitting?.message ?? 'expected a finite non-negative number or a plain decimal string'
  }
  if (issue.code === 'invalid_key') return issue.issues?.[0]?.message ?? issue.message
  return issue.message
}

/** A path for people; hostile names are cut so that they cannot flood an answer. */
function pathText(path: readonly string[]): string {
  return path.map((part) => (part.length > 64 ? `${part.slice(0, 64)}…` : part)).join('.')
}

/** SHA-256 of a report before defaults, in hex: equal for equal reports whatever the order of their fields. */
export function hashReport({ ts, pid, onchain, onsite }: SnapshotReport): string {
  const time = ts === undefined ? 'null' : `"${ts}"`
  return hash('sha256', `[${time},${pid ?? 'null'},${canonicalBook(onchain)},${canonicalBook(onsite)}]`)
}

/** JSON of the names and amounts in order of names. Nothing in a valid report needs escaping. */
function canonicalBook(book: SnapshotReport['onchain']): string {
  const entries = Object.keys(book)
    .toSorted()
    .map((name) => `["${name}",${JSON.stringify(book[name])}]`)
  return `[${entries.join(',')}]`
}
