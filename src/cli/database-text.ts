import { maskUrl } from '../config/mask-url.js'
import type { Config } from '../index.js'

/** What the configured database is called on the terminal, without secrets. */
export function databaseText({ databaseUrl, dataDir }: Pick<Config, 'databaseUrl' | 'dataDir'>): string {
  return databaseUrl === null ? `the embedded database in ${dataDir}` : maskUrl(databaseUrl)
}
