import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

const PAUSE_MS = 60
const TIMEOUT_MS = 1500

export interface Reports {
  /** The ids of what was acknowledged, in order. */
  readonly acknowledged: readonly string[]
  /** Ends after the report that is under way is acknowledged. */
  finish(): Promise<void>
}

/** Sends one snapshot after the other, each as often as it takes until it is acknowledged. */
export function keepReporting(url: string): Reports {
  const acknowledged: string[] = []
  let finished = false
  const send = async (number: number, key: string): Promise<string | null> => {
    try {
      const response = await fetch(`${url}/api/balance/snapshot`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify({ pid: number, onchain: { ETH: number }, onsite: { ETH: number } }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      if (!response.ok) return null
      const { data } = (await response.json()) as { readonly data: { readonly id: string } }
      return data.id
    } catch {
      return null
    }
  }
  const running = (async () => {
    for (let number = 1; !finished; number += 1) {
      const key = randomUUID()
      let id: string | null = null
      while (id === null) {
        id = await send(number, key)
        await sleep(PAUSE_MS)
      }
      acknowledged.push(id)
    }
  })()
  return {
    acknowledged,
    async finish() {
      finished = true
      await running
    },
  }
}
