import { join } from 'node:path'

import type { DynamicModule, FactoryProvider } from '@nestjs/common'

import { resolveConfig } from '../config/resolve-config.js'
import { ConfigurationError, loadConfig } from '../index.js'
import type { Config, Logger, TidemarkConfigInput } from '../index.js'
import { requireConsumption } from '../manager/consumer-groups.js'
import { createNestLogger } from './nest-logger.js'

/** Serves REST and Socket.IO on a port of its own. */
export interface OwnPort {
  readonly port: number
  /** 127.0.0.1 unless told. Beyond this machine an API key is needed. */
  readonly host?: string | undefined
}

/** Serves REST and Socket.IO in the application's own HTTP server, below `/api`. Needs an API key. */
export interface MountedInHost {
  readonly mount: true
}

/** What `BalanceManagerModule.forRoot` takes. */
export interface BalanceManagerModuleOptions {
  /**
   * The settings, as a configuration file would have them; the environment is not read then. Without it they come from the
   * environment and from `tidemark.config.*`, as in `tidemark start`.
   */
  readonly config?: TidemarkConfigInput | undefined
  /** The environment variables: those of the process unless told. Beside a `config` they are read, and win, only if given. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  /** A configuration file, instead of the `tidemark.config.*` of the working directory. */
  readonly configFile?: string | undefined
  /** REST and Socket.IO: off unless told. */
  readonly server?: OwnPort | MountedInHost | undefined
  /** The processes that share the events: `default` unless told. Each event is emitted in one of them. */
  readonly group?: string | undefined
  /**
   * `group`, the default: each event is emitted in one process of the group, at least once. `every-process`: in each one,
   * and nothing is made up for. `none`: events are not emitted.
   */
  readonly delivery?: 'group' | 'every-process' | 'none' | undefined
  /** After which time the handlers of an event are no longer waited for: 30 seconds unless told. */
  readonly handlerTimeoutMs?: number | undefined
  /** How long the start waits for a database that does not answer: 8 seconds unless told, `Infinity` for ever. */
  readonly databaseWaitMs?: number | undefined
  /** Instead of Nest's own. */
  readonly logger?: Logger | undefined
}

/** What `BalanceManagerModule.forRootAsync` takes. */
export interface BalanceManagerModuleAsyncOptions extends Pick<DynamicModule, 'imports'> {
  readonly inject?: FactoryProvider['inject']
  readonly useFactory: FactoryProvider<BalanceManagerModuleOptions>['useFactory']
}

/** The options after reading the configuration. @internal */
export interface ModuleSettings extends Omit<BalanceManagerModuleOptions, 'config' | 'env' | 'configFile' | 'logger'> {
  readonly config: Config
  readonly logger: Logger
}

/**
 * Reads the configuration that the options mean.
 *
 * @throws {ConfigurationError} with every problem that was found
 * @throws {InvalidArgumentError}
 * @internal
 */
export async function readModuleOptions(options: BalanceManagerModuleOptions): Promise<ModuleSettings> {
  const { config: given, env, configFile, logger: ownLogger, ...rest } = options
  requireConsumption(rest, ['group', 'every-process', 'none'])
  requireServer(rest.server)
  const cwd = process.cwd()
  const { config, warnings } =
    given === undefined
      ? await loadConfig({ env: env ?? process.env, cwd, file: configFile })
      : resolveConfig({ env: env ?? {}, cwd, file: { name: 'config', path: join(cwd, 'config'), value: given } })
  const logger = ownLogger ?? createNestLogger(config.logLevel)
  for (const warning of warnings) logger.warn({}, warning)
  return { ...rest, config, logger }
}

const PORT_MAX = 65_535

/** Only what types cannot tell: a port may have been made of a text, and an API that is not wanted must not be there. */
function requireServer(server: BalanceManagerModuleOptions['server']): void {
  if (server === undefined) return
  if ('port' in server) {
    if (Number.isInteger(server.port) && server.port >= 0 && server.port <= PORT_MAX) return
    throw new ConfigurationError(`server.port: expected a whole number from 0 to ${PORT_MAX}, got ${server.port}`)
  }
  if (!server.mount)
    throw new ConfigurationError(`server.mount: expected true or no server at all, got ${String(server.mount)}`)
}
