import { apiKeyName, completeScopes } from './access/api-key.js'
import type { ApiKeyScope, StoredApiKey } from './access/api-key.js'
import type { ApiKeyStore } from './access/api-key-store.js'
import { hashSecret, makeSecret } from './access/make-secret.js'
import type { Config } from './config/config.js'
import { ConfigurationError } from './model/errors.js'
import { silentLogger } from './model/logger.js'
import type { Logger } from './model/logger.js'
import { connectBeside } from './storage/postgres/connect-beside.js'
import { migrate } from './storage/postgres/migrate.js'
import { PostgresApiKeyStore } from './storage/postgres/api-key-store.js'

export interface NewApiKey {
  /** 1 to 32 characters of A-Z a-z 0-9 _ . - */
  readonly name: string
  /** At least one; each includes the weaker ones. */
  readonly scopes: readonly ApiKeyScope[]
}

/** The API keys of the database, for commands that run beside the service or instead of it. */
export interface OpenApiKeys extends AsyncDisposable {
  /**
   * Makes a key. Its secret is answered once, here: only the hash is kept.
   *
   * @throws {ConfigurationError} for a name or scopes that cannot be.
   * @throws {ApiKeyNameTakenError | TooManyApiKeysError}
   */
  add(key: NewApiKey): Promise<{ readonly key: StoredApiKey; readonly secret: string }>
  list: ApiKeyStore['list']
  revoke: ApiKeyStore['revoke']
  close(): Promise<void>
}

/**
 * Opens the configured database for work on its API keys; an embedded one is reached while a service runs on it, too.
 *
 * @throws {TidemarkError} when the database cannot be used.
 */
export async function openApiKeys(
  config: Pick<Config, 'databaseUrl' | 'dataDir'>,
  logger: Logger = silentLogger,
): Promise<OpenApiKeys> {
  const connection = await connectBeside(config, logger)
  const close = (): Promise<void> => connection.close()
  try {
    await migrate(connection.database, logger)
  } catch (error) {
    await close()
    throw error
  }
  const store = new PostgresApiKeyStore(connection.database)
  return {
    add: async ({ name, scopes }) => {
      checkNewKey({ name, scopes })
      const secret = makeSecret()
      const key = await store.add({ name, scopes: completeScopes(scopes), secretSha256: hashSecret(secret) })
      return { key, secret }
    },
    list: () => store.list(),
    revoke: (nameOrId) => store.revoke(nameOrId),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function checkNewKey({ name, scopes }: NewApiKey): void {
  if (!apiKeyName.test(name)) {
    const given = JSON.stringify(name.slice(0, 64))
    throw new ConfigurationError(`name: expected 1 to 32 characters of A-Z a-z 0-9 _ . -, got ${given}`)
  }
  if (scopes.length === 0)
    throw new ConfigurationError('scopes: expected at least one of read, write and admin, got none')
}
