/** How serious a finding is: a problem keeps something from working, a warning may. */
export type FindingLevel = 'ok' | 'warning' | 'problem'

export type FindingArea = 'configuration' | 'database' | 'endpoint' | 'chain' | 'watch list'

/** One thing that was looked at, in words for people. */
export interface Finding {
  readonly area: FindingArea
  /** What it is about: a host, a chain, a token. Never a full URL. */
  readonly subject: string
  readonly level: FindingLevel
  readonly text: string
  /** What to do about it. */
  readonly advice?: string | undefined
}
