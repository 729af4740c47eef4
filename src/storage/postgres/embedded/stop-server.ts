// Free of dependencies: the watchdog runs this file in a process of its own.
import { setTimeout as sleep } from 'node:timers/promises'
import { isRunning, listProcesses, signalProcess } from './process-state.js'
import type { ProcessIdentity } from './process-state.js'

const pollMs = 10
const killWaitMs = 2_000

/** How long each gentler way of stopping may take. */
export interface StopLimits {
  /** For a fast shutdown: sessions are ended, a checkpoint is written. */
  readonly fastMs: number
  /** For an immediate shutdown: nothing is written, the next start replays the log. */
  readonly immediateMs: number
}

/**
 * Stops a server: fast shutdown, then immediate shutdown, then SIGKILL for it and the processes it started. Committed
 * rows survive all three. Resolves to false only when the process outlived SIGKILL (it hangs in the kernel).
 */
export async function stopServer(server: ProcessIdentity, limits: StopLimits): Promise<boolean> {
  const steps = [
    { signal: 'SIGINT', waitMs: limits.fastMs },
    { signal: 'SIGQUIT', waitMs: limits.immediateMs },
    { signal: 'SIGKILL', waitMs: killWaitMs },
  ] as const
  // Taken down by identity beforehand: after the server's death its children can no longer be told from those of a new one.
  const children = new Map<number, ProcessIdentity>()
  for (const { signal, waitMs } of steps) {
    for (const child of listProcesses()) if (child.parentPid === server.pid) children.set(child.pid, child)
    if (!signalProcess(server, signal)) break
    if (await untilGone(server, waitMs)) break
  }
  for (const child of children.values()) {
    if (signalProcess(child, 'SIGKILL')) await untilGone(child, killWaitMs)
  }
  return !isRunning(server)
}

async function untilGone(identity: ProcessIdentity, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs
  while (isRunning(identity)) {
    if (performance.now() >= deadline) return false
    await sleep(pollMs)
  }
  return true
}
