import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { DemoServiceError } from './demo-errors.js'
import { stopProcess } from './stop-process.js'

export interface ServiceProcessOptions {
  /** The demo's folder: working directory and place of the log. The child removes it when the demo is gone. */
  readonly folder: string
  readonly url: string
  readonly environment: Readonly<Record<string, string>>
}

/** `tidemark start` in a process of its own. */
export interface ServiceProcess {
  /** Rejects when the service ends, whether told to or not. */
  readonly ended: Promise<never>
  /** Waits until the service answers. */
  ready(signal: AbortSignal): Promise<void>
  stop(): Promise<void>
}

const pollMs = 40
const requestTimeoutMs = 2_000
const readyTimeoutMs = 60_000
const stopGraceMs = 12_000
const shownLogLines = 20

/** Starts the service. It ends with this process, however this process ends. */
export function startServiceProcess({ folder, url, environment }: ServiceProcessOptions): ServiceProcess {
  const logPath = join(folder, 'service.log')
  const log = openSync(logPath, 'a')
  const child = spawn(process.execPath, [fileURLToPath(new URL('./service-child.js', import.meta.url)), folder], {
    cwd: folder,
    env: { ...environment },
    // A process group of its own: Ctrl-C in a terminal reaches only the demo, which then stops it in good order.
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    windowsHide: true,
  })
  closeSync(log)
  const ended = endOf(child, logPath)
  // Heard of by those who wait for it; nobody need.
  ended.catch(() => undefined)
  return {
    ended,
    async ready(signal) {
      const noLonger = new AbortController()
      try {
        await Promise.race([answers(url, AbortSignal.any([signal, noLonger.signal])), ended])
      } finally {
        noLonger.abort()
      }
    },
    stop: () => stopProcess(child, stopGraceMs),
  }
}

async function endOf(child: ChildProcess, logPath: string): Promise<never> {
  const how = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`error ${error.message}`))
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`))
  })
  const log = await readFile(logPath, 'utf8').catch(() => '')
  const lastLines = log.trim().split('\n').slice(-shownLogLines).join('\n')
  throw new DemoServiceError(
    `expected the service to run until the demo ends, got its end with ${how}; its last lines:\n${lastLines}`,
  )
}

async function answers(url: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + readyTimeoutMs
  while (!(await isReady(url))) {
    signal.throwIfAborted()
    if (performance.now() > deadline) {
      throw new DemoServiceError(`expected the service to answer within ${readyTimeoutMs} ms, got no answer at ${url}`)
    }
    await sleep(pollMs)
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(requestTimeoutMs) })
    await answer.body?.cancel()
    return answer.ok
  } catch {
    return false
  }
}
