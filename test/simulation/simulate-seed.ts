import { messageOf } from '../../src/model/errors.js'
import type { LoggedEvent } from '../../src/model/event.js'
import { EventFold, checkHeard, checkLog } from './check-events.js'
import type { SeedOutcome, SeedReport } from './report.js'
import { drawScenario } from './scenario.js'
import type { SimulationDatabase } from './simulation-database.js'
import { readCursor, readStoredChain } from './stored-chain.js'
import { Violation, must } from './violation.js'
import { checkAll, checkCompleteness, createWorld, letLoose } from './world.js'
import type { World, WorldOptions } from './world.js'

/** Virtual time within which everything must have been caught up with once nothing befalls the service any more. */
const CALM_MS = 15 * 60_000
const LOOK_MS = 500
const CLOSING_MS = 1000
/** Far beyond what any seed takes: a loop without an end stops here. */
const STEPS_MAX = 1_000_000
const PAGE_SIZE = 10_000

export interface SimulateOptions {
  readonly seed: number
  readonly database: SimulationDatabase
  /** Gets every line of the trace. */
  readonly onLine?: ((line: string) => void) | undefined
  /** Statements that falsify what is stored before the last checks: to show that those find it. */
  readonly sabotage?: string | undefined
}

/** Plays one seed from an empty database to the last check. The database is this simulation's alone. */
export async function simulateSeed(simulation: SimulateOptions): Promise<SeedOutcome> {
  const { seed, database, onLine, sabotage } = simulation
  const scenario = drawScenario(seed)
  await database.empty()
  const options: WorldOptions = { seed, scenario, database, onLine }
  const world = createWorld(options)
  try {
    return { kind: 'passed', report: await play(world, options, sabotage) }
  } catch (error) {
    const what = error instanceof Violation ? `violated: ${error.message}` : `failed: ${stackOf(error)}`
    const trace = world.scheduler.recent.map((line) => `  ${shortened(line)}`).join('\n')
    const text = `seed ${seed} ${what}\nlast steps:\n${trace}\nseed ${seed} ${what}\n`
    return { kind: 'failed', failure: { seed, text } }
  } finally {
    for (const replica of world.replicas) replica.crash()
  }
}

async function play(world: World, options: WorldOptions, sabotage: string | undefined): Promise<SeedReport> {
  const { scenario, database, seed } = options
  letLoose(world, options)
  await runUntil(world, () => world.scheduler.nowMs >= scenario.durationMs)
  becalm(world)
  await awaitCaughtUp(world, database)
  if (sabotage !== undefined) await database.client.query(sabotage)
  const coverage = await checkAll(world, database)
  await checkCompleteness(world, database)
  await world.reporter.check(database.client)
  await checkEvents(world, database)
  await checkAnswers(world, database)
  await closeAll(world)
  return {
    seed,
    fingerprint: world.scheduler.fingerprint(),
    faults: sumOf(world.chains.map((chain) => chain.faults)),
    facts: {
      steps: world.scheduler.steps,
      'virtual seconds': Math.round(world.scheduler.nowMs / 1000),
      ...sumOf(world.chains.map((chain) => chain.facts)),
      ...Object.fromEntries(world.facts),
      'requests to nodes': world.network.counters.requests,
      'requests refused': world.network.counters.refused,
      'storage calls': world.database.counters.calls,
      'storage calls refused': world.database.counters.refused,
      'storage answers lost': world.database.counters.lostAnswers,
      'storage calls of dead replicas': world.database.counters.posthumous,
      'writes refused for a lost lease': world.database.counters.leasesLost,
      'snapshots acknowledged': world.reporter.acknowledged,
      'records checked': coverage.records,
      'position blocks known exactly': coverage.exact,
      'position blocks sampled': coverage.sampled,
      'position blocks unseen': coverage.unseen,
    },
  }
}

async function runUntil(world: World, condition: () => boolean): Promise<void> {
  while (!condition()) {
    must(await world.scheduler.step(), 'something always lies ahead', {})
    must(world.scheduler.steps < STEPS_MAX, 'an end comes in sight', { steps: world.scheduler.steps })
  }
}

/** Nothing befalls the service any more, and everything that was down comes back. */
function becalm(world: World): void {
  world.weather = 'calm'
  world.database.trouble.away = false
  world.database.trouble.lostAnswers = 0
  for (const chain of world.chains) chain.becalm()
  for (const replica of world.replicas) replica.start()
}

async function awaitCaughtUp(world: World, database: SimulationDatabase): Promise<void> {
  const deadlineMs = world.scheduler.nowMs + CALM_MS
  for (;;) {
    const lookAtMs = world.scheduler.nowMs + LOOK_MS
    await runUntil(world, () => world.scheduler.nowMs >= lookAtMs)
    const behind = await whatIsBehind(world, database)
    if (behind === null) {
      world.weather = 'still'
      return
    }
    must(world.scheduler.nowMs < deadlineMs, 'the service catches up once all is well', { behind })
  }
}

/** @returns what was not caught up with yet, in words. */
async function whatIsBehind(world: World, database: SimulationDatabase): Promise<string | null> {
  if (world.reporter.open > 0) return `${world.reporter.open} snapshots`
  for (const chain of world.chains) {
    const cursor = await readCursor(database.client, chain.chainId)
    if (cursor?.hash !== chain.head.hash) {
      return `chain ${chain.chainId} at ${cursor?.number} ${cursor?.hash}, its head is ${chain.head.number} ${chain.head.hash}`
    }
  }
  const { seq } = await database.storage.events.head()
  for (const { manager, owner } of world.replicas) {
    if (manager === null) return 'a replica has not started'
    if (manager.events.seq !== seq) return `${owner?.name} at event ${manager.events.seq} of ${seq}`
    for (const { chainId, state, reason } of await driven(world, manager.chains())) {
      if (state !== 'live') return `${owner?.name} calls chain ${chainId} ${state}: ${reason}`
    }
  }
  return null
}

async function checkEvents(world: World, database: SimulationDatabase): Promise<void> {
  const log: LoggedEvent[] = []
  const head = await database.storage.events.head()
  while (BigInt(log.length) < head.seq) {
    const page = await database.storage.events.read(BigInt(log.length), PAGE_SIZE)
    if (page.length === 0) break
    log.push(...page)
  }
  checkLog(log, head.seq)
  for (const replica of world.replicas) for (const heard of replica.heard) checkHeard(heard, log)
  const fold = new EventFold()
  for (const event of log) fold.add(event)
  for (const { chainId } of world.chains) fold.compare(chainId, await readStoredChain(database.client, chainId))
  world.facts.set('events checked', log.length)
}

/** What the service answers is what is stored, and it says that all is well. */
async function checkAnswers(world: World, database: SimulationDatabase): Promise<void> {
  for (const { manager } of world.replicas) {
    must(manager !== null, 'every replica runs in the end', {})
    for (const { chainId } of world.chains) {
      const stored = await readStoredChain(database.client, chainId)
      const shown = await driven(world, manager.reader.currentBalances({ chainId, limit: 1000 }))
      const known = stored.positions.filter(({ balance }) => balance !== null)
      must(shown.items.length === known.length, 'every watched balance is shown', {
        expected: known.length,
        got: shown.items.length,
      })
      for (const item of shown.items) {
        const position = known.find(({ token, solver }) => token === item.token && solver === item.solver)
        must(
          position?.balance === item.balance && (!position.active || position.staleReason === item.staleReason),
          'a balance is shown as it is stored',
          { chainId, expected: position?.balance, got: item.balance, stale: item.staleReason },
        )
      }
    }
  }
}

/** Goes on step by step until an answer is there. */
async function driven<Result>(world: World, answer: Promise<Result>): Promise<Result> {
  let there = false
  const mark = (): void => {
    there = true
  }
  answer.then(mark, mark)
  await runUntil(world, () => there)
  return answer
}

/** In good order, and nothing is left behind. */
async function closeAll(world: World): Promise<void> {
  for (const replica of world.replicas) {
    const { owner } = replica
    await driven(world, replica.close())
    // Sockets tell of their end a little later; after that there may be nothing left that ever happens.
    const closedAtMs = world.scheduler.nowMs
    while (world.scheduler.nowMs <= closedAtMs + CLOSING_MS && (await world.scheduler.step()));
    if (owner === null) continue
    must(world.network.socketsOf(owner) === 0, 'no socket is left open', { replica: owner.name })
    const left = world.scheduler.pending(owner).filter((what) => what === 'timer')
    must(left.length === 0, 'no timer is left running', { replica: owner.name, got: left })
  }
}

function sumOf(parts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const part of parts) for (const [name, count] of Object.entries(part)) sum[name] = (sum[name] ?? 0) + count
  return sum
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : messageOf(error)
}

function shortened(line: string): string {
  return line.length > 300 ? `${line.slice(0, 300)}…` : line
}
