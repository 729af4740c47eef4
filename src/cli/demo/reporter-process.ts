import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { noReports } from './reporter-status.js'
import type { ReporterStatus } from './reporter-status.js'
import { inheritedEnvironment } from './service-environment.js'
import { stopProcess } from './stop-process.js'

export interface ReporterProcessOptions {
  readonly folder: string
  readonly url: string
  readonly onProblem: (problem: string) => void
}

/** The process that sends snapshots. */
export interface ReporterProcess {
  readonly status: ReporterStatus
  stop(): Promise<void>
}

const stopGraceMs = 2_000

/** Starts the reporter. It ends with this process, however this process ends. */
export function startReporterProcess({ folder, url, onProblem }: ReporterProcessOptions): ReporterProcess {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./reporter.js', import.meta.url)), url], {
    cwd: folder,
    env: inheritedEnvironment(),
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    windowsHide: true,
  })
  let status: ReporterStatus = noReports
  let stopping = false
  const lost = (how: string): void => {
    if (!stopping) onProblem(`the reporter ended: ${how}`)
  }
  child.once('error', (error) => lost(error.message))
  child.once('exit', (code, signal) => lost(signal ?? `exit code ${code}`))
  child.on('message', (message) => {
    status = message as ReporterStatus
  })
  return {
    get status() {
      return status
    },
    stop() {
      stopping = true
      return stopProcess(child, stopGraceMs)
    },
  }
}
