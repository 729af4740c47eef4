import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'

import { Progress } from '../../src/cli/progress.js'
import { Totals } from './report.js'
import type { SeedOutcome } from './report.js'
import { simulateSeed } from './simulate-seed.js'
import { openSimulationDatabase, startSimulationServer } from './simulation-database.js'
import type { SimulationServer } from './simulation-database.js'

/** From this many seeds on every fault and every kind of event must have occurred. */
const SEEDS_FOR_ALL = 200
const CHILD_DATABASE = 'TIDEMARK_SIMULATION_DATABASE_URL'

interface Settings {
  readonly seeds: number
  readonly from: number
  readonly jobs: number
  readonly trace: boolean
}

const databaseUrl = process.env[CHILD_DATABASE]
if (databaseUrl === undefined) process.exitCode = await runAll(readSettings())
else await serve(databaseUrl)

function readSettings(): Settings {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '30' },
      from: { type: 'string', default: '1' },
      jobs: { type: 'string', default: '2' },
      trace: { type: 'boolean', default: false },
    },
  })
  const number = (name: 'seeds' | 'from' | 'jobs', least: number): number => {
    const value = Number(values[name])
    if (!Number.isSafeInteger(value) || value < least) {
      console.error(`--${name}: expected an integer of at least ${least}, got ${values[name]}`)
      process.exit(2)
    }
    return value
  }
  const seeds = number('seeds', 1)
  return { seeds, from: number('from', 0), jobs: Math.min(seeds, number('jobs', 1)), trace: values.trace }
}

/** @returns the exit code: 1 when any seed failed. */
async function runAll(settings: Settings): Promise<number> {
  const server = await startSimulationServer()
  const stop = (): void => void server.stop().finally(() => process.exit(130))
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  try {
    return await (settings.trace ? traceSeeds(settings, server) : spreadSeeds(settings, server))
  } finally {
    await server.stop()
  }
}

/** One after the other in this process, with every step on standard output. */
async function traceSeeds({ seeds, from }: Settings, server: SimulationServer): Promise<number> {
  const database = await openSimulationDatabase(await server.createDatabase('simulation_trace'))
  let failed = 0
  try {
    for (let seed = from; seed < from + seeds; seed += 1) {
      const outcome = await simulateSeed({ seed, database, onLine: (line) => console.log(line) })
      if (outcome.kind === 'passed') console.log(outcome.report)
      else {
        failed += 1
        console.log(outcome.failure.text)
      }
    }
  } finally {
    await database.close()
  }
  return failed === 0 ? 0 : 1
}

async function spreadSeeds(settings: Settings, server: SimulationServer): Promise<number> {
  const totals = new Totals()
  const failures: number[] = []
  const progress = new Progress({ title: 'simulating', unit: 'seeds' })
  let next = settings.from
  let done = 0
  const beyond = settings.from + settings.seeds
  const work = async (job: number): Promise<void> => {
    const worker = startWorker(await server.createDatabase(`simulation_${job}`))
    try {
      while (next < beyond) {
        const outcome = await worker.simulate(next++)
        done += 1
        if (outcome.kind === 'passed') totals.add(outcome.report)
        else {
          failures.push(outcome.failure.seed)
          console.log(outcome.failure.text)
        }
        progress.update({
          done,
          total: settings.seeds,
          note: failures.length === 0 ? undefined : `${failures.length} failed`,
        })
      }
    } finally {
      await worker.end()
    }
  }
  await Promise.all(Array.from({ length: settings.jobs }, (_, job) => work(job)))
  progress.end()
  console.log(`${totals.toString()}\n`)
  console.log(`${settings.seeds - failures.length} of ${settings.seeds} seeds passed`)
  if (failures.length > 0) {
    console.log(
      `failed: ${failures.join(', ')}; replay one with: npm run simulate -- --seeds 1 --from ${failures[0]} --trace`,
    )
    return 1
  }
  const absent = settings.seeds >= SEEDS_FOR_ALL ? totals.absent() : []
  if (absent.length > 0) console.log(`never happened: ${absent.join(', ')}`)
  return absent.length === 0 ? 0 : 1
}

interface Worker {
  simulate(seed: number): Promise<SeedOutcome>
  end(): Promise<void>
}

/** Another process, with a database of its own. */
function startWorker(url: string): Worker {
  const child: ChildProcess = fork(import.meta.filename, { env: { ...process.env, [CHILD_DATABASE]: url } })
  return {
    simulate: (seed) =>
      new Promise((resolve, reject) => {
        const onExit = (): void => reject(new Error(`the process that simulated seed ${seed} ended`))
        child.once('exit', onExit)
        child.once('message', (outcome) => {
          child.off('exit', onExit)
          resolve(outcome as SeedOutcome)
        })
        child.send(seed)
      }),
    end: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      if (child.connected) child.disconnect()
      await once(child, 'exit')
    },
  }
}

async function serve(url: string): Promise<void> {
  const database = await openSimulationDatabase(url)
  process.on('message', (seed: number) => {
    void simulateSeed({ seed, database }).then((outcome) => process.send?.(outcome))
  })
  process.on('disconnect', () => void database.close())
}
