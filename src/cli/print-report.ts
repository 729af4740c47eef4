/** A title and what there is to say below it, for people. */
export function printReport(title: string, lines: readonly string[]): void {
  console.log(title)
  for (const line of lines) console.log(`  ${line}`)
}

/** A report for programs: integers as decimal text, maps as objects. */
export function reportJson(report: unknown): string {
  return JSON.stringify(report, (_key, value: unknown) => {
    if (typeof value === 'bigint') return value.toString()
    return value instanceof Map ? Object.fromEntries(value) : value
  })
}
