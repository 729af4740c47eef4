import type { DemoOutput } from './demo-output.js'
import { lineOutput } from './line-output.js'
import { terminalOutput } from './terminal-output.js'

/** A panel on a terminal that can show one, else lines. */
export function chooseOutput(env: NodeJS.ProcessEnv = process.env): DemoOutput {
  const { stdout } = process
  const isPanel = stdout.isTTY && env['TERM'] !== 'dumb' && !isSet(env['CI'])
  if (isPanel) return terminalOutput(stdout, !isSet(env['NO_COLOR']))
  return lineOutput({ write: (line) => console.log(line), writeProblem: (line) => console.error(line) })
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== ''
}
