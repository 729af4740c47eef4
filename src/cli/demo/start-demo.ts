import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Logger } from '../../index.js'
import { rowKey } from '../live/balance-row.js'
import type { Cleanup } from './cleanup.js'
import { startDemoChain } from './demo-chain.js'
import type { DemoChain } from './demo-chain.js'
import { demoChains, demoWallets } from './demo-plan.js'
import { keepBusy } from './keep-busy.js'
import { startLiveFeed } from './live-feed.js'
import { LiveState } from '../live/live-state.js'
import type { ProblemLog } from './problem-log.js'
import type { Picture } from './render-picture.js'
import { startReporterProcess } from './reporter-process.js'
import { serviceEnvironment } from './service-environment.js'
import { startServiceProcess } from './service-process.js'
import { takePicture } from './take-picture.js'

export interface StartDemoOptions {
  readonly host: string
  readonly port: number
  readonly signal: AbortSignal
  readonly problems: ProblemLog
  /** Gets a step for everything that is started, also when the start fails. */
  readonly cleanup: Cleanup
  /** Called once the service answers. */
  readonly onReady: (url: string, picture: () => Picture) => void
  readonly onFirstBalance: (picture: Picture) => void
}

export interface RunningDemo {
  picture(): Picture
  /** Rejects when the service ends. */
  readonly ended: Promise<never>
}

/** Starts everything, in the order in which it is needed and side by side where it can be. */
export async function startDemo(options: StartDemoOptions): Promise<RunningDemo> {
  const { host, port, signal, problems, cleanup } = options
  const url = `http://${host}:${port}`
  const chains = await startChains(options)
  signal.throwIfAborted()

  const folder = await mkdtemp(join(tmpdir(), 'tidemark-demo-'))
  cleanup.add(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))
  const environment = serviceEnvironment({ ...watched(chains), host, port, dataDir: join(folder, 'data') })
  const service = startServiceProcess({ folder, url, environment })
  cleanup.add(() => service.stop())
  await service.ready(signal)
  signal.throwIfAborted()

  const state = new LiveState(positionOrder(chains))
  const onProblem = (problem: string): void => problems.add(problem)
  const reporter = startReporterProcess({ folder, url, onProblem })
  cleanup.add(() => reporter.stop())
  let firstBalanceMs: number | null = null
  const picture = (): Picture => takePicture({ url, state, reporter: reporter.status, problems, firstBalanceMs })
  const onBalances = (): void => {
    if (firstBalanceMs !== null || state.rows().length === 0) return
    // Counted from the start of this process.
    firstBalanceMs = performance.now()
    options.onFirstBalance(picture())
  }
  options.onReady(url, picture)
  const feed = await startLiveFeed({ url, state, onProblem, onBalances })
  cleanup.add(() => feed.close())
  for (const { plan, world } of chains) {
    const activity = keepBusy({
      world,
      blockTimeMs: plan.blockTimeMs,
      onProblem: (problem) => onProblem(`activity on ${plan.name}: ${problem}`),
    })
    cleanup.add(() => activity.close())
  }
  return { picture, ended: service.ended }
}

/** Waits for all chains even if one fails, so that everything started is known to the cleanup. */
async function startChains({ cleanup, problems }: StartDemoOptions): Promise<DemoChain[]> {
  const outcomes = await Promise.allSettled(
    demoChains.map((plan) => startDemoChain({ plan, cleanup, logger: problemLogger(plan.name, problems) })),
  )
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
}

function watched(chains: readonly DemoChain[]): Pick<Parameters<typeof serviceEnvironment>[0], 'chains' | 'solvers'> {
  const addresses = chains[0]?.world.solvers ?? []
  return {
    chains: chains.map(({ plan, anvil, world }) => ({
      chainId: plan.chainId,
      name: plan.name,
      nativeSymbol: plan.nativeSymbol,
      rpcUrl: anvil.rpcUrl,
      wsUrl: anvil.wsUrl,
      tokens: world.tokens.map(({ address }) => address),
    })),
    solvers: addresses.map((address, index) => ({ label: demoWallets[index] ?? `wallet-${index + 1}`, address })),
  }
}

/** Wallet by wallet, so that a low terminal shows whole wallets. */
function positionOrder(chains: readonly DemoChain[]): string[] {
  const wallets = chains[0]?.world.solvers ?? []
  return wallets.flatMap((solver) =>
    chains.flatMap(({ plan, world }) =>
      world.positions
        .filter((position) => position.solver === solver)
        .map(({ token }) => rowKey({ chainId: String(plan.chainId), tokenAddress: token, solverAddress: solver })),
    ),
  )
}

function problemLogger(chainName: string, problems: ProblemLog): Logger {
  const tell = (_fields: object, message: string): void => problems.add(`${chainName}: ${message}`)
  const logger: Logger = { debug() {}, info() {}, warn: tell, error: tell, child: () => logger }
  return logger
}
