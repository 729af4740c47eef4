import type { Random } from '../../../src/testing/random.js'
import { contentOf } from './history.js'
import type { ReportBody } from './history.js'

/** A report before it is sent. */
export interface Draft {
  readonly number: number
  readonly key: string | null
  readonly body: ReportBody
}

const FIRST_TS_MS = Date.UTC(2026, 0, 1)
const HOUR_MS = 3_600_000

/** Draws a report; its number is in its body. */
export function drawReport(random: Random, number: number): Draft {
  return { number, key: random.integer(1, 4) === 1 ? null : `key-${number}`, body: drawBody(random, number) }
}

/** A report that the rules of snapshots refuse. */
export function drawBadReport(random: Random, number: number): Draft {
  const { key, body } = drawReport(random, number)
  const wrong = random.pick([{ usd: -1 }, { usd: '1e5' }, { 'a b': 1 }, { constructor_: Number.MAX_VALUE }, {}])
  return { number, key, body: { ...body, onsite: wrong } }
}

/** The time of a report in UTC; null when the service is to set it. */
export function timeOf({ ts }: ReportBody): string | null {
  return ts === undefined ? null : new Date(ts).toISOString()
}

export function contentOfDraft({ body }: Draft): string {
  return contentOf(body)
}

function drawBody(random: Random, number: number): ReportBody {
  return {
    ...(random.integer(1, 2) === 1 ? {} : { ts: drawTime(random, number) }),
    ...(random.integer(1, 2) === 1 ? {} : { pid: random.integer(1, 99_999) }),
    onchain: { report: number, eth: `${random.integer(0, 1_000_000)}.000000000000000001`, rlb: drawNumber(random) },
    onsite: { usd: drawNumber(random), 'x.y:z-1': String(random.integer(0, 1_000_000_000)) },
  }
}

function drawNumber(random: Random): number {
  return random.integer(0, 1_000_000_000) / random.pick([1, 100, 1e6])
}

/** With `Z` or an offset. */
function drawTime(random: Random, number: number): string {
  const utcMs = FIRST_TS_MS + number
  const hours = random.pick([0, 2, -7])
  if (hours === 0) return new Date(utcMs).toISOString()
  const local = new Date(utcMs + hours * HOUR_MS).toISOString().slice(0, -1)
  return `${local}${hours < 0 ? '-' : '+'}0${Math.abs(hours)}:00`
}
