import { ConfigurationError } from '../model/errors.js'

/** One wrong setting. Nothing here is secret. */
export interface ConfigurationProblem {
  /** The variable, or the configuration file and the key in it. */
  readonly name: string
  readonly expected: string
  readonly given: string
}

const mostLines = 100

/** One error for all problems, each told once and on one line; `details.problems` has them as data. */
export function configurationError(problems: readonly ConfigurationProblem[], cause?: unknown): ConfigurationError {
  const problemByLine = new Map(problems.map((problem) => [lineOf(problem), problem]))
  const lines = [...problemByLine.keys()].slice(0, mostLines)
  if (problemByLine.size > mostLines) lines.push(`and ${problemByLine.size - mostLines} more`)
  return new ConfigurationError(lines.join('\n'), {
    hint: 'Correct what is named above and start again; docs/reference/configuration.md explains every setting.',
    details: { problems: [...problemByLine.values()] },
    cause,
  })
}

function lineOf({ name, expected, given }: ConfigurationProblem): string {
  return `${name}: expected ${expected}, got ${given}`
}
