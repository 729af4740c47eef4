import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'

import { measure } from './measure.js'
import type { Measured } from './measure.js'
import { createStage } from './stage.js'
import type { HeadMode } from './stage.js'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    blocks: { type: 'string', default: '200' },
    positions: { type: 'string', default: '1000' },
  },
})
const blocks = Number(values.blocks)
const positions = Number(values.positions)

// Side by side, half a beat apart, so that the work of one falls into the rest of the other.
console.error(
  `${positions} positions, ${blocks} blocks of each kind with WebSocket heads; this takes about ${blocks + 20} s`,
)
const [pushed, polled] = await Promise.all([
  run('websocket', { blocks: 2 * blocks, blockTimeMs: 500 }),
  // Block timestamps are whole seconds, and polling keeps their pace.
  run('poll', { blocks, blockTimeMs: 1000 }),
])
const results = [pushed, polled]

if (values.json) console.log(JSON.stringify({ machine: machine(), results: results.map(summarise) }, null, 2))
else print(results)

async function run(
  heads: HeadMode,
  pace: { readonly blocks: number; readonly blockTimeMs: number },
): Promise<Measured> {
  const stage = await createStage(heads, positions)
  try {
    return await measure({ stage, heads, ...pace })
  } finally {
    await stage.close()
  }
}

function summarise({ latenciesMs, rawCallsMs, ...counted }: Measured) {
  const rawCallMs = quantile(rawCallsMs, 0.5)
  const p50 = quantile(latenciesMs, 0.5)
  const p99 = quantile(latenciesMs, 0.99)
  return {
    ...counted,
    changedBlocks: latenciesMs.length,
    rawCallMs,
    latencyMs: { p50, p99 },
    latencyInRawCalls: { p50: p50 / rawCallMs, p99: p99 / rawCallMs },
  }
}

function print(measured: readonly Measured[]): void {
  console.log(machine())
  for (const result of measured.map(summarise)) {
    console.log(
      `\n${result.heads} heads, ${result.positions} positions, ${result.blocks} blocks of ${result.blockTimeMs} ms`,
    )
    console.table({
      'requests per unchanged block': { value: rounded(result.requestsPerUnchangedBlock) },
      'requests per block with 10 changes': { value: rounded(result.requestsPerChangedBlock) },
      'one raw eth_call, median ms': { value: rounded(result.rawCallMs) },
      'block to committed event, p50 ms': { value: rounded(result.latencyMs.p50) },
      'block to committed event, p99 ms': { value: rounded(result.latencyMs.p99) },
      'p50 in raw calls': { value: rounded(result.latencyInRawCalls.p50) },
      'p99 in raw calls': { value: rounded(result.latencyInRawCalls.p99) },
    })
    const methods = Object.entries(result.requestsByMethod).map(([method, count]) => `${method} ${rounded(count)}`)
    console.log(`calls per block by method: ${methods.join(', ')}`)
  }
}

function quantile(list: readonly number[], share: number): number {
  const sorted = list.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}

function machine(): string {
  return `${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.version}, ${process.platform}`
}
