/** Something is stored or was announced that must not be, or is missing. */
export class Violation extends Error {
  readonly rule: string

  constructor(rule: string, facts: Readonly<Record<string, unknown>>) {
    const told = Object.entries(facts).map(([name, value]) => `  ${name}: ${textOf(value)}`)
    super([rule, ...told].join('\n'))
    this.name = 'Violation'
    this.rule = rule
  }
}

/** @throws {Violation} unless the rule holds. */
export function must(holds: boolean, rule: string, facts: Readonly<Record<string, unknown>>): asserts holds {
  if (!holds) throw new Violation(rule, facts)
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? item.toString() : item)) ?? '-'
}
