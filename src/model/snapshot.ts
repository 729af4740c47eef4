/** A reported amount, as the reporter sent it: a finite JSON number, or a plain decimal text of any precision. */
export type ReportedAmount = number | string

/** One side of a report: asset name to amount. */
export type ReportedBook = Readonly<Record<string, ReportedAmount>>

/** One report `{ts, pid, onchain, onsite}` from a reporter, as it is stored. */
export interface Snapshot {
  readonly id: string
  readonly ts: Date
  readonly pid: number | null
  readonly onchain: ReportedBook
  readonly onsite: ReportedBook
}
