import { z } from 'zod'

/** A report's time may lie this far ahead of our clock, to forgive clocks that run fast. */
export const FUTURE_TOLERANCE_MS: number = 5 * 60_000
/** Assets on one side of a report. */
export const ASSETS_MAX = 64

const assetName = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,31}$/
const plainDecimal = /^(0|[1-9]\d{0,77})(\.\d{1,36})?$/
const idempotencyKey = /^[\x21-\x7e]{1,128}$/
const isoTime = z.regexes.datetime({ offset: true })

/** Why a number cannot be taken as an amount; null when it can. */
function numberProblem(amount: number): string | null {
  if (amount < 0 || Object.is(amount, -0)) return 'expected a non-negative amount'
  if (Number.isInteger(amount) && amount > Number.MAX_SAFE_INTEGER) {
    return 'expected integers beyond 2^53-1 as a decimal string, because a JSON number cannot hold them exactly'
  }
  return null
}

/** Why a time cannot be taken; null when it can. */
function timeProblem(text: string): string | null {
  if (!isoTime.test(text)) return 'expected an ISO 8601 time with Z or an offset, such as 2025-11-07T00:45:08.603Z'
  const timeMs = Date.parse(text)
  if (!(timeMs >= 0)) return 'expected a time after 1970-01-01T00:00:00Z'
  if (timeMs > Date.now() + FUTURE_TOLERANCE_MS) return 'expected a time that is not more than 5 minutes in the future'
  return null
}

export function isAssetName(name: string): boolean {
  return assetName.test(name)
}

export function isReportedAmount(amount: unknown): amount is number | string {
  if (typeof amount === 'string') return plainDecimal.test(amount)
  return typeof amount === 'number' && Number.isFinite(amount) && numberProblem(amount) === null
}

export function isReportTime(text: unknown): text is string {
  return typeof text === 'string' && timeProblem(text) === null
}

export function isReporterPid(pid: unknown): pid is number {
  return Number.isSafeInteger(pid) && Number(pid) > 0
}

export function isIdempotencyKey(key: unknown): key is string {
  return typeof key === 'string' && idempotencyKey.test(key)
}

const amountNumber = z
  .number({ error: 'expected a finite non-negative number or a plain decimal string' })
  .check((context) => {
    const problem = numberProblem(context.value)
    if (problem !== null) context.issues.push({ code: 'custom', message: problem, input: context.value })
  })

const amountText = z.string().regex(plainDecimal, {
  error: 'expected a plain decimal string such as "12.5", up to 78 integer digits and 36 decimals',
})

/** A finite non-negative JSON number, or a plain decimal text; kept exactly as sent. */
export const reportedAmountSchema: z.ZodType<number | string> = z.union([amountNumber, amountText]).meta({
  description: 'A non-negative JSON number, or a plain decimal string for exact amounts of any size',
})

/** The name of an asset, as reporters give it. */
export const assetNameSchema: z.ZodType<string, string> = z.string().regex(assetName, {
  error: 'expected an asset name of 1 to 32 letters, digits or _ . : - that starts with a letter or digit',
})

function bookSchema(example: Record<string, number | string>): z.ZodType<Record<string, number | string>> {
  return z
    .record(assetNameSchema, reportedAmountSchema, { error: 'expected an object of asset names and amounts' })
    .refine((book) => Object.keys(book).length >= 1, { error: 'expected at least one asset' })
    .refine((book) => Object.keys(book).length <= ASSETS_MAX, { error: `expected at most ${ASSETS_MAX} assets` })
    .meta({ example })
}

const timeSchema: z.ZodType<string> = z.iso
  .datetime({ offset: true, error: 'expected an ISO 8601 time with Z or an offset, such as 2025-11-07T00:45:08.603Z' })
  .check((context) => {
    const problem = timeProblem(context.value)
    if (problem !== null) context.issues.push({ code: 'custom', message: problem, input: context.value })
  })

/** Idempotency keys: visible ASCII, so that they are the same in a header, a log and a database. */
export const idempotencyKeySchema: z.ZodType<string> = z.string().regex(idempotencyKey, {
  error: 'expected 1 to 128 visible ASCII characters',
})

export interface SnapshotReport {
  readonly ts?: string | undefined
  readonly pid?: number | undefined
  readonly onchain: Record<string, number | string>
  readonly onsite: Record<string, number | string>
}

/** The body of a report, as REST takes it. */
export const snapshotReportSchema: z.ZodType<SnapshotReport> = z
  .strictObject({
    ts: timeSchema.optional().meta({ description: 'When the balances were taken; the server’s time when absent' }),
    pid: z
      .int({ error: 'expected a positive integer' })
      .positive()
      .optional()
      .meta({ description: 'The reporter’s process id' }),
    onchain: bookSchema({ rlb: 100074.99978, usdt: 7656.36 }),
    onsite: bookSchema({ rlb: 101132.407627, usd: 7646.96 }),
  })
  .meta({ id: 'SnapshotReport' })
