import { setTimeout as sleep } from 'node:timers/promises'

import { BalanceManager } from '../index.js'
import type { Config, Logger } from '../index.js'
import { createServer } from '../server/create-server.js'
import { needsStoredKey } from '../server/refuse-exposure.js'
import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { keepHeapSmall } from './keep-heap-small.js'
import { loadSettings } from './load-settings.js'
import type { SettingsOptions } from './load-settings.js'
import { untilSignal } from './until-signal.js'

/**
 * A database server that answers does so within this time, so that nobody is turned away at a usual start. After it the
 * service listens, and says that it is not ready.
 */
const LISTEN_AFTER_MS = 1000

/** `tidemark start`: runs the service until a signal ends it. */
export async function start(options: SettingsOptions): Promise<ExitCode> {
  const { config, logger } = await loadSettings(options)
  const stopped = untilSignal()
  const manager = new BalanceManager({ config, logger })
  try {
    const starting = manager.start({ databaseWaitMs: Infinity })
    const outcome = starting.then(() => 'started' as const)
    // The embedded server is ours to start: until it is up there is nothing to serve. And where the database decides
    // whether the port may be opened, that is not done before.
    const waits = config.databaseUrl === null || needsStoredKey(config)
    const enough = waits ? [] : [sleep(LISTEN_AFTER_MS, 'waiting' as const, { ref: false })]
    // A signal during the start ends it: closing aborts what is under way.
    const first = await Promise.race([outcome, stopped, ...enough])
    if (first === 'started' || first === 'waiting') await serve({ manager, config, logger, starting, stopped })
    await manager.close()
    // What the close itself cut short is no failure.
    await starting.catch(() => undefined)
    return exitCodes.ok
  } finally {
    await manager.close()
  }
}

interface Service {
  readonly manager: BalanceManager
  readonly config: Config
  readonly logger: Logger
  readonly starting: Promise<void>
  readonly stopped: Promise<NodeJS.Signals>
}

/** @throws what made the start fail. */
async function serve({ manager, config, logger, starting, stopped }: Service): Promise<void> {
  const server = await createServer({ manager, config, logger })
  try {
    keepHeapSmall()
    const first = await Promise.race([starting.then(() => 'started' as const), stopped])
    if (first === 'started') {
      logger.info({ url: server.url, docs: `${server.url}/docs` }, 'tidemark is ready')
      if (config.chains.length === 0) {
        logger.info(
          {},
          'no chain is configured, serving snapshots only: set ETHEREUM_RPC_URL (or CHAIN_<id>_RPC_URL) and SOLVER_ADDRESSES to watch balances',
        )
      }
    }
    logger.info({ signal: await stopped }, 'stopping')
  } finally {
    await server.close()
  }
}
