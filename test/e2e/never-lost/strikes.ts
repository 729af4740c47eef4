import { setTimeout as sleep } from 'node:timers/promises'

import type { Random } from '../../../src/testing/random.js'
import type { Outcome } from './check-history.js'
import type { History } from './history.js'

/** Strikes come at any moment. */
export function sleepUpTo(random: Random, limitMs: number): Promise<void> {
  return sleep(random.integer(0, limitMs))
}

/** Prints what a long run came to; the short form stays silent. */
export function tellResult(
  name: string,
  facts: Readonly<Record<string, unknown>> & { history: History; outcomes: Readonly<Record<Outcome, number>> },
): void {
  if (process.env['TIDEMARK_TEST_LONG'] !== '1') return
  const { history, ...told } = facts
  const connections = history.viewers.map(({ watches }) => watches.filter(({ greeted }) => greeted !== null).length)
  console.log(`${name}: ${JSON.stringify({ ...told, stored: history.stored.rows.length, connections })}`)
}
