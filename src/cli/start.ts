import { BalanceManager } from '../index.js'
import { createServer } from '../server/create-server.js'
import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { keepHeapSmall } from './keep-heap-small.js'
import { loadSettings } from './load-settings.js'
import type { SettingsOptions } from './load-settings.js'
import { untilSignal } from './until-signal.js'

/** `tidemark start`: runs the service until a signal ends it. */
export async function start(options: SettingsOptions): Promise<ExitCode> {
  const { config, logger } = await loadSettings(options)
  const stopped = untilSignal()
  const manager = new BalanceManager({ config, logger })
  try {
    // A signal during the start ends it: closing aborts what is under way.
    const starting = manager.start()
    const first = await Promise.race([starting.then(() => 'started' as const), stopped])
    if (first !== 'started') {
      await manager.close()
      await starting.catch(() => undefined)
      return exitCodes.ok
    }
    const server = await createServer({ manager, config, logger })
    try {
      keepHeapSmall()
      logger.info({ url: server.url, docs: `${server.url}/docs` }, 'tidemark is ready')
      if (config.chains.length === 0) {
        logger.info(
          {},
          'no chain is configured, serving snapshots only: set ETHEREUM_RPC_URL (or CHAIN_<id>_RPC_URL) and SOLVER_ADDRESSES to watch balances',
        )
      }
      const signal = await stopped
      logger.info({ signal }, 'stopping')
    } finally {
      await server.close()
    }
    return exitCodes.ok
  } finally {
    await manager.close()
  }
}
