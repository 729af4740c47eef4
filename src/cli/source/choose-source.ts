import { createClient, TidemarkApiError } from '../../client/index.js'
import type { TidemarkClient } from '../../client/index.js'
import { NoDatabaseError, openBalances } from '../../index.js'
import type { Config, Logger } from '../../index.js'
import { loadSettings, readEnvFile } from '../load-settings.js'
import type { SettingsOptions } from '../load-settings.js'
import type { BalanceSource } from './balance-source.js'
import { databaseSource } from './database-source.js'
import { serviceSource } from './service-source.js'
import { NoSourceError } from './source-errors.js'

/** The options of every command that asks a service or the database. */
export interface SourceOptions extends SettingsOptions {
  readonly url?: string | undefined
  readonly key?: string | undefined
  /** Do not look for a service. */
  readonly alone?: boolean | undefined
  readonly verbose?: boolean | undefined
}

interface ChooseOptions extends SourceOptions {
  /** Only what can tell of changes as they happen. */
  readonly live?: boolean
}

/** A service on this machine answers within this time, or there is none. */
const PROBE_MS = 1000
/** Requests are repeated this often: a person waits. */
const ATTEMPTS_MAX = 2

/**
 * The service that is named, else the one that runs with the settings found here, else the database of these settings.
 *
 * @throws {TidemarkError} when there is neither, or what was named does not answer.
 */
export async function chooseSource(options: ChooseOptions): Promise<BalanceSource> {
  readEnvFile()
  const url = options.url ?? nonEmpty(process.env['TIDEMARK_URL'])
  const source = url !== undefined && options.alone !== true ? namedService(url, options) : await findSource(options)
  if (options.verbose === true) console.error(`Asking ${source.name}.`)
  return source
}

function namedService(url: string, options: SourceOptions): BalanceSource {
  return serviceSource(connect(url, options, ATTEMPTS_MAX), url)
}

async function findSource(options: ChooseOptions): Promise<BalanceSource> {
  const { config, logger } = await loadSettings({ logLevel: 'warn', ...options })
  const refusals: string[] = []
  if (options.alone !== true) {
    const found = await probe(config, options, refusals)
    if (found !== null) return found
  }
  if (options.verbose === true) for (const refusal of refusals) console.error(refusal)
  return await openDatabase(config, logger, { refusals, live: options.live ?? false })
}

/** The service of these settings, when one answers and lets us in. */
async function probe(config: Config, options: SourceOptions, refusals: string[]): Promise<BalanceSource | null> {
  if (config.port === 0) return null
  const url = `http://${hostOf(config.host)}:${config.port}`
  const probing = connect(url, options, 1)
  try {
    const { status } = await probing.getLive({ timeoutMs: PROBE_MS })
    if (status !== 'live') return null
    await probing.listSolvers()
    return namedService(url, options)
  } catch (error) {
    if (!(error instanceof TidemarkApiError)) throw error
    refusals.push(`The service at ${url} was not asked: ${error.message}.`)
    return null
  }
}

async function openDatabase(
  config: Config,
  logger: Logger,
  { refusals, live }: { readonly refusals: readonly string[]; readonly live: boolean },
): Promise<BalanceSource> {
  try {
    const where = config.databaseUrl === null ? `the database in ${config.dataDir}` : 'the database of DATABASE_URL'
    return databaseSource(await openBalances(config, logger, { live }), where)
  } catch (error) {
    if (!(error instanceof NoDatabaseError)) throw error
    throw new NoSourceError([...refusals, error.message].join('\n'), { cause: error, ...hintOf(error) })
  }
}

function hintOf({ hint }: NoDatabaseError): { hint?: string } {
  return hint === undefined ? {} : { hint }
}

function connect(url: string, { key }: SourceOptions, attemptsMax: number): TidemarkClient {
  const apiKey = key ?? nonEmpty(process.env['TIDEMARK_API_KEY'])
  return createClient({ url, apiKey, attemptsMax })
}

/** Where a service that listens on this host is reached from this machine. */
function hostOf(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === '' ? undefined : text.trim()
}
