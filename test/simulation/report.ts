/** What one seed went through. Plain data, so that it can be sent between processes. */
export interface SeedReport {
  readonly seed: number
  /** Of the whole course of events: the same for the same seed. */
  readonly fingerprint: string
  /** Injected faults that really took effect, by kind. */
  readonly faults: Readonly<Record<string, number>>
  /** What happened and what was checked, by name. */
  readonly facts: Readonly<Record<string, number>>
}

export interface SeedFailure {
  readonly seed: number
  readonly text: string
}

export type SeedOutcome =
  | { readonly kind: 'passed'; readonly report: SeedReport }
  | { readonly kind: 'failed'; readonly failure: SeedFailure }

/** Sums of many reports. */
export class Totals {
  readonly faults = new Map<string, number>()
  readonly facts = new Map<string, number>()

  add({ faults, facts }: SeedReport): void {
    for (const [name, count] of Object.entries(faults)) this.faults.set(name, (this.faults.get(name) ?? 0) + count)
    for (const [name, count] of Object.entries(facts)) this.facts.set(name, (this.facts.get(name) ?? 0) + count)
  }

  /** Names that never occurred. */
  absent(): readonly string[] {
    return [...this.faults, ...this.facts].filter(([, count]) => count === 0).map(([name]) => name)
  }

  toString(): string {
    return [table('what happened', this.facts), table('faults injected', this.faults)].join('\n\n')
  }
}

function table(title: string, counts: ReadonlyMap<string, number>): string {
  const rows = [...counts].map(([name, count]) => `| ${name.padEnd(40)} | ${count.toLocaleString('en').padStart(12)} |`)
  return [
    `| ${title.padEnd(40)} | ${'count'.padStart(12)} |`,
    `| ${'-'.repeat(40)} | ${'-'.repeat(11)}: |`,
    ...rows,
  ].join('\n')
}
