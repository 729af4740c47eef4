import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 20

/**
 * Waits until a condition holds.
 *
 * @throws when it does not hold within the time, saying what was waited for.
 */
export async function until(what: string, condition: () => unknown, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`)
    await sleep(POLL_MS)
  }
}
