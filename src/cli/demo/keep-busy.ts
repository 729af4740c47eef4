import { setTimeout as sleep } from 'node:timers/promises'

import type { World } from '../../testing/index.js'
import { problemText } from './problem-text.js'

export interface ActivityOptions {
  readonly world: Pick<World, 'step' | 'mine' | 'resync'>
  readonly blockTimeMs: number
  readonly onProblem: (problem: string) => void
}

/** What happens on a chain. */
export interface Activity {
  /** Ends after the block under way. */
  close(): Promise<void>
}

/** Makes a block each block time, with a few random actions in most of them. */
export function keepBusy({ world, blockTimeMs, onProblem }: ActivityOptions): Activity {
  const abort = new AbortController()
  const { signal } = abort

  // After a failure it is uncertain what was sent: nonces and holdings are read anew before the next block.
  let isCertain = true

  async function makeBlock(): Promise<void> {
    try {
      if (!isCertain) await world.resync()
      isCertain = true
      await world.step()
      await world.mine()
    } catch (error) {
      isCertain = false
      if (!signal.aborted) onProblem(problemText(error))
    }
  }

  async function run(): Promise<void> {
    let dueMs = performance.now()
    while (!signal.aborted) {
      // A late block is not made up for: blocks would come in bursts after a pause.
      dueMs = Math.max(dueMs + blockTimeMs, performance.now())
      await sleep(dueMs - performance.now(), undefined, { signal }).catch(() => undefined)
      if (!signal.aborted) await makeBlock()
    }
  }

  const running = run()
  return {
    close() {
      abort.abort()
      return running
    },
  }
}
