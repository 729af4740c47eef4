import { measureLive } from './live.js'
import { createStage } from './stage.js'
import { median } from './quantile.js'

/** What more positions cost, on one chain with WebSocket heads. */
export interface GrowthRow {
  readonly positions: number
  readonly requestsPerUnchangedBlock: number
  readonly requestsPerChangedBlock: number
  /** The requests that read every balance once. */
  readonly rawCallMs: number
  readonly latencyMs: number
  /** Resident memory of this process, which holds the bench as well; after a collection where that can be asked for. */
  readonly residentMiB: number
}

/** Blocks of each kind per size: enough for a median. */
const BLOCKS = 24
const BLOCK_TIME_MS = 1000

export async function measureGrowth(sizes: readonly number[]): Promise<GrowthRow[]> {
  const rows: GrowthRow[] = []
  for (const positions of sizes) {
    console.error(`growth: ${positions} positions …`)
    const stage = await createStage('websocket', positions)
    try {
      const live = await measureLive({ stage, heads: 'websocket', blocks: 2 * BLOCKS, blockTimeMs: BLOCK_TIME_MS })
      rows.push({
        positions: live.positions,
        requestsPerUnchangedBlock: live.requestsPerUnchangedBlock,
        requestsPerChangedBlock: live.requestsPerChangedBlock,
        rawCallMs: median(live.rawCallsMs),
        latencyMs: median(live.latenciesMs),
        residentMiB: process.memoryUsage.rss() / 2 ** 20,
      })
    } finally {
      await stage.close()
    }
  }
  return rows
}
