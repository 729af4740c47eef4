import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'

import { measureDepth } from './depth.js'
import { measureGaps } from './gap.js'
import { measureGrowth } from './growth.js'
import { measureIntake } from './intake.js'
import { measureLive } from './live.js'
import type { Live } from './live.js'
import { measureMemory } from './memory.js'
import { MONGODB_ROWS, measureMongoDb } from './mongodb.js'
import { measurePeers } from './peers.js'
import { median, quantile } from './quantile.js'
import { measureRecords } from './records.js'
import { measureSockets } from './sockets.js'
import { createStage } from './stage.js'
import type { HeadMode } from './stage.js'

const parts = ['live', 'growth', 'gap', 'memory', 'peers', 'intake', 'depth', 'records', 'mongodb', 'sockets'] as const
type Part = (typeof parts)[number]

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    only: { type: 'string', default: parts.join(',') },
    blocks: { type: 'string', default: '200' },
    positions: { type: 'string', default: '1000' },
    rows: { type: 'string', default: '10000000' },
    sizes: { type: 'string', default: '100,1000,10000,50000' },
    rounds: { type: 'string', default: '5' },
  },
})
const wanted = new Set(values.only.split(',').map(readPart))
const blocks = Number(values.blocks)
const positions = Number(values.positions)

const results: Partial<Record<Part, unknown>> = {}
if (!values.json) console.log(machine())
for (const part of parts.filter((name) => wanted.has(name))) {
  results[part] = await measurePart(part)
  if (!values.json) print(part, results[part])
}
if (values.json) console.log(JSON.stringify({ machine: machine(), results }, null, 2))

function readPart(name: string): Part {
  const part = parts.find((known) => known === name)
  if (part === undefined) throw new Error(`--only: expected some of ${parts.join(', ')}, got ${name}`)
  return part
}

function measurePart(part: Part): Promise<unknown> {
  switch (part) {
    case 'live':
      return measureBothHeads()
    case 'growth':
      return measureGrowth(values.sizes.split(',').map(Number))
    case 'gap':
      return measureGaps()
    case 'memory':
      return measureMemory(10_000, 90)
    case 'sockets':
      return measureSockets()
    case 'depth':
      return measureDepth(Number(values.rows))
    case 'records':
      return measureRecords(Number(values.rows))
    case 'mongodb':
      return measureMongoDb(Math.min(Number(values.rows), MONGODB_ROWS))
    case 'peers':
      return withStage((stage) => measurePeers(stage.anvil, stage.world))
    case 'intake':
      return measureIntake({ rounds: Number(values.rounds), durationMs: 2000, loneSnapshots: 2000 })
  }
}

/** One after the other: on two cores each would be in the way of the other. */
async function measureBothHeads(): Promise<unknown[]> {
  console.error(`live: ${positions} positions, ${blocks} blocks of each kind; about ${2 * blocks + 20} s …`)
  const pushed = await live('websocket', { blocks: 2 * blocks, blockTimeMs: 500 })
  // Block timestamps are whole seconds, and polling keeps their pace.
  const polled = await live('poll', { blocks, blockTimeMs: 1000 })
  return [summarise(pushed), summarise(polled)]
}

async function live(heads: HeadMode, pace: { readonly blocks: number; readonly blockTimeMs: number }): Promise<Live> {
  const stage = await createStage(heads, positions)
  try {
    return await measureLive({ stage, heads, ...pace })
  } finally {
    await stage.close()
  }
}

function summarise({ latenciesMs, rawCallsMs, requestsByMethod, ...counted }: Live) {
  const rawCallMs = median(rawCallsMs)
  const p50Ms = median(latenciesMs)
  const p99Ms = quantile(latenciesMs, 0.99)
  return {
    ...counted,
    changedBlocks: latenciesMs.length,
    rawCallMs,
    p50Ms,
    p99Ms,
    p50InRawCalls: p50Ms / rawCallMs,
    p99InRawCalls: p99Ms / rawCallMs,
    callsPerBlock: Object.entries(requestsByMethod)
      .map(([method, count]) => `${method} ${rounded(count)}`)
      .join(', '),
  }
}

async function withStage<Result>(work: (stage: Awaited<ReturnType<typeof createStage>>) => Promise<Result>) {
  const stage = await createStage('websocket', positions)
  try {
    return await work(stage)
  } finally {
    await stage.close()
  }
}

function print(part: Part, result: unknown): void {
  console.log(`\n${part}`)
  for (const table of tablesOf(part, result)) {
    console.table(Array.isArray(table) ? table.map(roundedRow) : roundedRow(table as object))
  }
}

/** Some parts have several tables. */
function tablesOf(part: Part, result: unknown): readonly unknown[] {
  if (part === 'live') return result as object[]
  if (part === 'intake' || part === 'depth' || part === 'records' || part === 'mongodb' || part === 'sockets')
    return Object.values(result as object)
  return [result]
}

function roundedRow(row: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'number' ? rounded(value) : value]),
  )
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}

function machine(): string {
  return `${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.version}, ${process.platform}`
}
