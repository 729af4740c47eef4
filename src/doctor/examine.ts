import { networkTransport } from '../chain/rpc/node-transport.js'
import type { Config } from '../config/config.js'
import { systemClock } from '../model/clock.js'
import { examineChain } from './examine-chain.js'
import { examineConfiguration } from './examine-configuration.js'
import { examineDatabase } from './examine-database.js'
import { examineMongoDb } from './examine-mongodb.js'
import type { Finding } from './finding.js'

export interface ExamineOptions {
  readonly config: Config
  /** What the reading of the configuration warned of. */
  readonly warnings: readonly string[]
  readonly signal: AbortSignal
}

/** Looks at everything Tidemark depends on, one thing after the other. It changes nothing. */
export async function* examine({ config, warnings, signal }: ExamineOptions): AsyncGenerator<Finding> {
  yield* examineConfiguration(config, warnings)
  yield await examineDatabase(config)
  if (config.mongodbUrl !== null) yield await examineMongoDb(config.mongodbUrl)
  const world = { clock: systemClock, transport: networkTransport, signal }
  for (const chain of config.chains) yield* examineChain(chain, world)
}
