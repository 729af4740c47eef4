import type { BalanceManagerConfig } from '../../src/balance-manager.js'
import type { Logger } from '../../src/model/logger.js'
import { messageOf } from '../../src/model/errors.js'
import type { Weather } from './chain-weather.js'
import { checkChain } from './check-chain.js'
import type { CoverageCount } from './check-chain.js'
import { GatedDatabase } from './gated-storage.js'
import { Lots } from './lots.js'
import { Replica } from './replica.js'
import type { Scenario } from './scenario.js'
import { Scheduler } from './scheduler.js'
import type { Owner } from './scheduler.js'
import { SimulatedChain } from './simulated-chain.js'
import type { SimulationDatabase } from './simulation-database.js'
import { SnapshotReporter } from './snapshot-reporter.js'
import { readStoredChain } from './stored-chain.js'
import { must } from './violation.js'
import { VirtualNetwork } from './virtual-network.js'

const CHECK_MS = 20_000
const DOWN_MS = 4000
/** More than twice as long as a lease lasts. */
const FROZEN_MS_MAX = 12_000

const countedFacts = [
  'crashes',
  'freezes',
  'database outages',
  'watch list changes',
  'checks of everything',
  'chains checked for completeness',
]

/** Everything outside of the service, and what befalls it. */
export interface World {
  readonly scheduler: Scheduler
  /** The owner of what no replica does. */
  readonly self: Owner
  readonly network: VirtualNetwork
  readonly database: GatedDatabase
  readonly chains: readonly SimulatedChain[]
  readonly replicas: readonly Replica[]
  readonly reporter: SnapshotReporter
  /** Wallets that are watched all the time. */
  readonly configured: ReadonlySet<string>
  readonly facts: Map<string, number>
  weather: Weather
}

export interface WorldOptions {
  readonly seed: number
  readonly scenario: Scenario
  readonly database: SimulationDatabase
  readonly onLine: ((line: string) => void) | undefined
}

export function createWorld({ seed, scenario, database, onLine }: WorldOptions): World {
  const scheduler = new Scheduler(new Lots(seed, 'ties'), onLine)
  const self: Owner = { name: 'world', alive: true }
  const network = new VirtualNetwork(scheduler, new Lots(seed, 'network'))
  const gated = new GatedDatabase(database.storage, scheduler, new Lots(seed, 'database'), self)
  const chains = scenario.chains.map(
    (plan) =>
      new SimulatedChain({
        seed,
        plan,
        scheduler,
        self,
        network,
        durationMs: scenario.durationMs,
        wallets: [...scenario.solvers, ...scenario.visitors],
      }),
  )
  const config: BalanceManagerConfig = {
    chains: chains.map(({ config: chain }) => chain),
    solvers: scenario.solvers.map((address) => ({ address, label: null })),
    databaseUrl: null,
    dataDir: '/nowhere',
  }
  const logger = (owner: Owner): Logger => traceLogger(scheduler, owner)
  const replicas = Array.from(
    { length: scenario.replicas },
    (_, index) =>
      new Replica(`replica-${index + 1}`, { seed, config, scheduler, network, database: gated, logger }, self),
  )
  const reporter = new SnapshotReporter({ scheduler, self, lots: new Lots(seed, 'reporter'), replicas })
  const facts = new Map(countedFacts.map((fact) => [fact, 0]))
  const configured = new Set<string>(scenario.solvers)
  return { scheduler, self, network, database: gated, chains, replicas, reporter, configured, facts, weather: 'stormy' }
}

/** Begins all that happens by itself until calm comes. */
export function letLoose(world: World, options: WorldOptions): void {
  const { seed, scenario } = options
  const lots = (subject: string): Lots => new Lots(seed, subject)
  for (const replica of world.replicas) repeatOnce(world, lots('start').delayMs(200), 'start', () => replica.start())
  for (const chain of world.chains) chain.letLoose(() => world.weather)
  world.reporter.letLoose(() => world.weather === 'stormy')
  crashNowAndThen(world, scenario, lots('crashes'))
  freezeNowAndThen(world, scenario, lots('freezes'))
  troubleTheDatabase(world, scenario, lots('database trouble'))
  changeTheWatchList(world, scenario, lots('watch list'))
  repeat(world, CHECK_MS, 'check', async () => {
    await checkAll(world, options.database)
  })
}

/** Whatever stands at this instant must be right. */
export async function checkAll(world: World, database: SimulationDatabase): Promise<CoverageCount> {
  const sum: CoverageCount = { exact: 0, sampled: 0, unseen: 0, records: 0 }
  for (const chain of world.chains) {
    for (const part of checkChain(await readStoredChain(database.client, chain.chainId), chain)) {
      sum.exact += part.exact
      sum.sampled += part.sampled
      sum.unseen += part.unseen
      sum.records += part.records
    }
  }
  count(world, 'checks of everything')
  return sum
}

/** Where no node and no token ever failed and the configuration alone says what is watched, nothing may be unseen. */
export async function checkCompleteness(world: World, database: SimulationDatabase): Promise<void> {
  for (const chain of world.chains) {
    if (!chain.isReliable) continue
    count(world, 'chains checked for completeness')
    for (const part of checkChain(await readStoredChain(database.client, chain.chainId), chain)) {
      const { token, solver, accruing, coverage } = part.position
      if (!world.configured.has(solver) || !(token === 'native' || chain.config.tokens.includes(token))) continue
      const facts = { chain: chain.chainId, token, solver, coverage, unseen: part.unseen, sampled: part.sampled }
      must(
        part.unseen === 0 || chain.wasUnreadable(token, solver),
        'no block is unseen where no node ever fails',
        facts,
      )
      must(
        part.sampled === 0 || accruing || chain.mayBeSampled || chain.wasUnreadable(token, solver),
        'no block is only sampled where it can be read',
        facts,
      )
    }
  }
}

export function count(world: World, fact: string, by = 1): void {
  world.facts.set(fact, (world.facts.get(fact) ?? 0) + by)
}

function repeatOnce(world: World, delayMs: number, what: string, run: () => void): void {
  world.scheduler.after(delayMs, world.self, what, run)
}

function repeat(world: World, everyMs: number, what: string, run: () => void | Promise<void>): void {
  world.scheduler.after(everyMs, world.self, what, async () => {
    if (world.weather !== 'stormy') return
    await run()
    repeat(world, everyMs, what, run)
  })
}

/** A process ends at any step, most often just when a write was carried out whose answer it waits for. */
function crashNowAndThen(world: World, { crashEveryMs, crashAtWrite }: Scenario, lots: Lots): void {
  const crash = (replica: Replica): void => {
    if (replica.owner === null) return
    world.scheduler.note(replica.owner, 'crash')
    replica.crash()
    count(world, 'crashes')
    repeatOnce(world, lots.delayMs(DOWN_MS), 'restart', () => replica.start())
  }
  world.database.onWritten = (owner) => {
    const replica = world.replicas.find((candidate) => candidate.owner === owner)
    if (world.weather === 'stormy' && replica !== undefined && lots.chance(crashAtWrite)) crash(replica)
  }
  if (crashEveryMs !== null) {
    const next = (): void =>
      repeatOnce(world, lots.delayMs(crashEveryMs), 'crash', () => {
        if (world.weather !== 'stormy') return
        crash(lots.pick(world.replicas))
        next()
      })
    next()
  }
}

/** A process stands still, often for so long that another one takes its chains over, and then goes on where it was. */
function freezeNowAndThen(world: World, { freezeEveryMs }: Scenario, lots: Lots): void {
  if (freezeEveryMs === null) return
  const next = (): void =>
    repeatOnce(world, lots.delayMs(freezeEveryMs), 'freeze', () => {
      if (world.weather !== 'stormy') return
      lots.pick(world.replicas).freeze(lots.integer(500, FROZEN_MS_MAX))
      count(world, 'freezes')
      next()
    })
  next()
}

function troubleTheDatabase(world: World, { databaseAwayEveryMs, lostAnswers }: Scenario, lots: Lots): void {
  world.database.trouble.lostAnswers = lostAnswers
  if (databaseAwayEveryMs === null) return
  const next = (): void =>
    repeatOnce(world, lots.delayMs(databaseAwayEveryMs), 'database away', () => {
      if (world.weather !== 'stormy') return
      world.database.trouble.away = true
      count(world, 'database outages')
      repeatOnce(world, lots.delayMs(DOWN_MS), 'database back', () => {
        world.database.trouble.away = false
        next()
      })
    })
  next()
}

/** Wallets and tokens come and go. */
function changeTheWatchList(world: World, { watchListEveryMs, visitors }: Scenario, lots: Lots): void {
  if (watchListEveryMs === null) return
  const next = (): void =>
    repeatOnce(world, lots.delayMs(watchListEveryMs), 'watch list', () => {
      if (world.weather !== 'stormy') return
      next()
      const manager = lots.pick(world.replicas).manager
      if (manager === null) return
      const chain = lots.pick(world.chains)
      const change = lots.pick(['add solver', 'remove solver', 'add token', 'remove token'] as const)
      const solver = lots.pick(visitors)
      const token = lots.pick(chain.runtimeTokens)
      count(world, 'watch list changes')
      const done = (): Promise<unknown> => {
        switch (change) {
          case 'add solver':
            return manager.addSolverToMonitor(solver)
          case 'remove solver':
            return manager.removeSolverFromMonitor(solver)
          case 'add token':
            return manager.addTokensToMonitor(chain.chainId, [token])
          case 'remove token':
            return manager.removeTokensFromMonitor(chain.chainId, token)
        }
      }
      done().catch((error: unknown) => world.scheduler.note(world.self, `${change} failed: ${messageOf(error)}`))
    })
  next()
}

/** What the service says goes into the trace. */
function traceLogger(scheduler: Scheduler, owner: Owner): Logger {
  const write =
    (level: string) =>
    (fields: object, message: string): void => {
      if (owner.alive) scheduler.note(owner, `${level} ${message} ${shortly(fields)}`)
    }
  const logger: Logger = {
    debug: () => undefined,
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => logger,
  }
  return logger
}

function shortly(fields: object): string {
  return JSON.stringify(fields, (key, value: unknown) =>
    key === 'stack' ? undefined : typeof value === 'bigint' ? value.toString() : value,
  )
}
