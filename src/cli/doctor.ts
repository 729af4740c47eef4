import { styleText } from 'node:util'

import { examine } from '../index.js'
import type { Finding } from '../index.js'
import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { loadSettings } from './load-settings.js'
import type { SettingsOptions } from './load-settings.js'
import { untilSignal } from './until-signal.js'

export interface DoctorOptions extends SettingsOptions {
  readonly json?: boolean | undefined
}

const marks = { ok: '✓', warning: '!', problem: '✗' } as const
const colours = { ok: 'green', warning: 'yellow', problem: 'red' } as const

/** `tidemark doctor`: looks at settings, database, endpoints and tokens, and says what is wrong and what to do. */
export async function doctor(options: DoctorOptions): Promise<ExitCode> {
  const { config, warnings } = await loadSettings({ logLevel: 'silent', ...options })
  const closing = new AbortController()
  void untilSignal().then(() => closing.abort())
  const counts = { ok: 0, warning: 0, problem: 0 }
  try {
    for await (const finding of examine({ config, warnings, signal: closing.signal })) {
      counts[finding.level] += 1
      if (options.json === true) console.log(JSON.stringify(finding))
      else print(finding)
    }
  } catch (error) {
    if (!closing.signal.aborted) throw error
    console.error('Stopped before everything was looked at.')
    return exitCodes.partial
  }
  if (options.json !== true) console.log(`\n${summary(counts)}`)
  return counts.problem > 0 ? exitCodes.checkFailed : exitCodes.ok
}

function print({ subject, level, text, advice }: Finding): void {
  console.log(`${styleText(colours[level], marks[level])} ${styleText('bold', subject)}: ${text}`)
  if (advice !== undefined && level !== 'ok') console.log(`    → ${advice}`)
}

function summary(counts: Readonly<Record<Finding['level'], number>>): string {
  const warnings = `${counts.warning} ${counts.warning === 1 ? 'warning' : 'warnings'}`
  if (counts.problem > 0) return `${counts.problem} ${counts.problem === 1 ? 'problem' : 'problems'}, ${warnings}.`
  return counts.warning === 0 ? 'Everything is well.' : `No problem, ${warnings}.`
}
