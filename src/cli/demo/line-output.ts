import { amountText, countText, grouped, secondsText } from '../terminal/amount-text.js'
import type { DemoOutput } from './demo-output.js'
import { plainText } from '../terminal/plain-text.js'
import type { Picture } from './render-picture.js'

export interface LineOutputOptions {
  readonly write: (line: string) => void
  readonly writeProblem: (line: string) => void
}

const lineEveryMs = 10_000
const textColumns = 200

/** One line per event of note and one every ten seconds, for pipes and build servers. */
export function lineOutput({ write, writeProblem }: LineOutputOptions): DemoOutput {
  let timer: NodeJS.Timeout | undefined
  return {
    starting() {},
    ready(url, picture) {
      write(`tidemark demo is up at ${url} (documentation ${url}/docs); Ctrl-C stops it`)
      timer = setInterval(() => write(countsText(picture())), lineEveryMs)
    },
    firstBalance: (picture) => write(firstBalanceText(picture)),
    problem: (problem) => writeProblem(`problem: ${plainText(problem, textColumns)}`),
    stopping: () => clearInterval(timer),
    end: (summary) => write(summary),
  }
}

function firstBalanceText({ firstBalanceMs, rows }: Picture): string {
  const [row] = rows
  const what =
    row === undefined
      ? ''
      : `: ${[
          row.label,
          amountText(row.balance, row.decimals),
          row.symbol,
          'on',
          row.chainName,
          'at block',
          grouped(row.blockNumber),
        ]
          .filter((word) => word !== null)
          .join(' ')}`
  return plainText(`first balance after ${secondsText(firstBalanceMs ?? 0)}${what}`, textColumns)
}

/** The counts of the moment in one line. */
export function countsText({ rows, changes, reporter, chains }: Picture): string {
  const states = chains.map(({ name, state, processed }) => `${name} ${state} at block ${processed ?? '–'}`)
  const counts = [
    countText(rows.length, 'balance'),
    countText(changes, 'change'),
    `${countText(reporter.acknowledged, 'snapshot')} acknowledged`,
  ]
  return plainText([...counts, ...states].join(', '), textColumns)
}
