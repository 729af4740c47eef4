import { ConfigurationError } from '../../index.js'
import { quoted } from '../terminal/quoted.js'

/** A moment as it comes from the command line. */
export type When = { readonly block: string } | { readonly time: Date }

const unitsMs: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** `2026-01-31`, or a time that says to which offset it belongs. */
const isoTime = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/i

/**
 * Reads a block number, a time of ISO 8601 (a date alone is its beginning in UTC), or a time that long ago, as `-24h` or
 * `7d`.
 *
 * @throws {ConfigurationError} names the option, what was expected and what came.
 */
export function readWhen(option: string, text: string, nowMs: number = Date.now()): When {
  if (/^\d{1,18}$/.test(text)) return { block: BigInt(text).toString() }
  const ago = /^-?(\d{1,6})([smhdw])$/.exec(text)
  const unitMs = unitsMs[ago?.[2] ?? '']
  if (ago !== null && unitMs !== undefined) return { time: new Date(nowMs - Number(ago[1]) * unitMs) }
  const atMs = isoTime.test(text) && isDay(text.slice(0, 10)) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(atMs)) return { time: new Date(atMs) }
  throw new ConfigurationError(
    `${option}: expected a block number, a time such as 2026-01-31 or 2026-01-31T12:00:00Z, or an age such as 24h or 7d, got ${quoted(text)}`,
  )
}

/** False for a day that is in no calendar, such as the 31st of February. */
function isDay(text: string): boolean {
  const dayMs = Date.parse(`${text}T00:00:00Z`)
  return !Number.isNaN(dayMs) && new Date(dayMs).toISOString().startsWith(text)
}

/** @throws {ConfigurationError} */
export function readTime(option: string, text: string, nowMs: number = Date.now()): Date {
  const when = readWhen(option, text, nowMs)
  if ('time' in when) return when.time
  throw new ConfigurationError(`${option}: expected a time such as 2026-01-31 or 24h, got ${quoted(text)}`)
}

/** A block and a time cannot be compared here. */
function isAfter(one: When, other: When): boolean {
  if ('block' in one) return 'block' in other && BigInt(one.block) > BigInt(other.block)
  return 'time' in other && one.time > other.time
}

/** The bounds of a range, each a block or a time. @throws {ConfigurationError} */
export function readRange(
  { from, to }: { readonly from?: string | undefined; readonly to?: string | undefined },
  nowMs: number = Date.now(),
): { readonly from?: Date; readonly to?: Date; readonly fromBlock?: string; readonly toBlock?: string } {
  const first = from === undefined ? null : readWhen('--from', from, nowMs)
  const last = to === undefined ? null : readWhen('--to', to, nowMs)
  if (first !== null && last !== null && isAfter(first, last)) {
    throw new ConfigurationError('--from: expected what is not after --to')
  }
  return {
    ...(first === null ? {} : 'block' in first ? { fromBlock: first.block } : { from: first.time }),
    ...(last === null ? {} : 'block' in last ? { toBlock: last.block } : { to: last.time }),
  }
}
