import { ASSETS_MAX, isAssetName, isReportTime, isReportedAmount, isReporterPid } from '../model/snapshot-report.js'
import type { SnapshotReport } from '../model/snapshot-report.js'

type Book = Record<string, number | string>

/**
 * A fresh, flat copy of a report that keeps every rule; null for any other body. It takes what the schema takes, in a
 * sixth of the time, but cannot say what is wrong: the schema does.
 */
export function readReport(body: unknown): SnapshotReport | null {
  if (!isPlainObject(body)) return null
  let ts: string | undefined
  let pid: number | undefined
  let onchain: Book | null = null
  let onsite: Book | null = null
  for (const field of Object.keys(body)) {
    const value = body[field]
    switch (field) {
      case 'ts':
        if (value !== undefined && !isReportTime(value)) return null
        ts = value
        break
      case 'pid':
        if (value !== undefined && !isReporterPid(value)) return null
        pid = value
        break
      case 'onchain':
        onchain = readBook(value)
        break
      case 'onsite':
        onsite = readBook(value)
        break
      default:
        return null
    }
  }
  return onchain === null || onsite === null ? null : { ts, pid, onchain, onsite }
}

function readBook(value: unknown): Book | null {
  if (!isPlainObject(value)) return null
  const names = Object.keys(value)
  if (names.length === 0 || names.length > ASSETS_MAX) return null
  const book: Book = {}
  for (const name of names) {
    const amount = value[name]
    // No asset name begins with an underscore, so none reaches the prototype.
    if (!isAssetName(name) || !isReportedAmount(amount)) return null
    book[name] = amount
  }
  return book
}

/** An object as JSON makes them, or one without a prototype. */
function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
