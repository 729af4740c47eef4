import type { Config } from '../config/config.js'
import { isLoopbackHost } from '../config/config-schema.js'
import { ConfigurationError, DatabaseUnavailableError } from '../index.js'
import type { KeyRing } from './key-ring.js'

/** Whether the database decides if this host may be listened on at all: with a key in it, or not. */
export function needsStoredKey(config: Pick<Config, 'host' | 'apiKeys' | 'allowUnauthenticated'>): boolean {
  return config.apiKeys.length === 0 && !config.allowUnauthenticated && !isLoopbackHost(config.host)
}

/**
 * Everyone who reaches the port could write snapshots where there is no key: that must be wanted, not happen.
 *
 * @throws {ConfigurationError} for a host that others can reach while there is no key.
 * @throws {DatabaseUnavailableError} while it is not known whether there is one.
 */
export function refuseExposure(
  { host, allowUnauthenticated }: Pick<Config, 'host' | 'allowUnauthenticated'>,
  keys: Pick<KeyRing, 'required' | 'isKnown'>,
): void {
  if (allowUnauthenticated || keys.required || isLoopbackHost(host)) return
  const wayOut =
    'Add a key with `tidemark keys add <name> --scope write`, or set API_KEYS. ' +
    'ALLOW_UNAUTHENTICATED=true opens the service to everyone who reaches it.'
  if (!keys.isKnown) {
    throw new DatabaseUnavailableError(
      `expected to read from the database whether there are API keys, before listening on ${host}`,
      { hint: 'Start the database first, or set API_KEYS.' },
    )
  }
  throw new ConfigurationError(
    `HOST: expected a loopback address (127.0.0.1, ::1 or localhost), or an API key, got ${JSON.stringify(host)} without any key`,
    { hint: wayOut },
  )
}
