import { apiKeyScopes } from '../../access/api-key.js'
import type { ApiKey, ApiKeyScope, StoredApiKey } from '../../access/api-key.js'
import { ApiKeyNameTakenError, STORED_KEYS_MAX, TooManyApiKeysError } from '../../access/api-key-store.js'
import type { ApiKeyStore, KeysInForce } from '../../access/api-key-store.js'
import { sqlState } from './database.js'
import type { Database } from './database.js'

const UNIQUE_VIOLATION = '23505'
const LISTED_MAX = 10_000

interface KeyRow {
  readonly id: string
  readonly name: string
  readonly scopes: readonly string[]
}

interface KeyInForceRow extends KeyRow {
  readonly secret_sha256: Buffer
}

interface StoredKeyRow extends KeyRow {
  readonly created_at: Date
  readonly last_used_at: Date | null
  readonly revoked_at: Date | null
}

const storedColumns = 'id, name, scopes, created_at, last_used_at, revoked_at'

/** API keys in PostgreSQL. */
export class PostgresApiKeyStore implements ApiKeyStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async keysInForce(): Promise<KeysInForce> {
    // One statement, so that a key which is added meanwhile is either seen or was never there.
    const rows = await this.#database.query<KeyInForceRow & { readonly revoked: boolean }>({
      name: 'api-keys-in-force',
      text: `
        (select id, name, scopes, secret_sha256, false as revoked
         from tidemark.api_key where revoked_at is null
         order by created_at, id limit $1)
        union all
        (select id, name, scopes, secret_sha256, true
         from tidemark.api_key where revoked_at is not null limit 1)`,
      values: [STORED_KEYS_MAX],
    })
    return {
      everAdded: rows.length > 0,
      keys: rows
        .filter((row) => !row.revoked)
        .map((row) => ({
          id: row.id,
          name: row.name,
          scopes: readScopes(row),
          secretSha256: row.secret_sha256.toString('hex'),
        })),
    }
  }

  async add(key: ApiKey): Promise<StoredApiKey> {
    try {
      const rows = await this.#database.query<StoredKeyRow>({
        name: 'add-api-key',
        text: `
          insert into tidemark.api_key (name, scopes, secret_sha256)
          select $1, $2, $3
          where (select count(*) from tidemark.api_key where revoked_at is null) < $4
          returning ${storedColumns}`,
        values: [key.name, key.scopes, Buffer.from(key.secretSha256, 'hex'), STORED_KEYS_MAX],
      })
      const added = rows.map(readKey)[0]
      if (added !== undefined) return added
    } catch (error) {
      if (sqlState(error) !== UNIQUE_VIOLATION) throw error
      throw new ApiKeyNameTakenError(`expected a name that no key in force has, got ${key.name}`, {
        cause: error,
        hint: `Choose another name, or take that key away first: tidemark keys revoke ${key.name}`,
      })
    }
    throw new TooManyApiKeysError(`expected fewer than ${STORED_KEYS_MAX} keys in force`, {
      hint: 'Take away a key that nobody uses: tidemark keys list tells when each was used last.',
    })
  }

  async list(): Promise<readonly StoredApiKey[]> {
    const rows = await this.#database.query<StoredKeyRow>({
      name: 'list-api-keys',
      text: `
        select ${storedColumns} from tidemark.api_key
        order by revoked_at desc nulls first, name, id limit $1`,
      values: [LISTED_MAX],
    })
    return rows.map(readKey)
  }

  async revoke(nameOrId: string): Promise<StoredApiKey | null> {
    const rows = await this.#database.query<StoredKeyRow>({
      name: 'revoke-api-key',
      text: `
        update tidemark.api_key set revoked_at = now()
        where revoked_at is null and (name = $1 or id::text = lower($1))
        returning ${storedColumns}`,
      values: [nameOrId],
    })
    return rows.map(readKey)[0] ?? null
  }

  async noteUse(ids: readonly string[]): Promise<void> {
    await this.#database.query({
      name: 'note-api-key-use',
      text: `
        update tidemark.api_key set last_used_at = now()
        where id = any($1::uuid[]) and (last_used_at is null or last_used_at < now() - interval '1 minute')`,
      values: [ids],
    })
  }
}

function readKey(row: StoredKeyRow): StoredApiKey {
  return {
    id: row.id,
    name: row.name,
    scopes: readScopes(row),
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
    revokedAt: row.revoked_at,
  }
}

/** A scope that this version does not know allows nothing. */
function readScopes({ scopes }: KeyRow): readonly ApiKeyScope[] {
  return apiKeyScopes.filter((scope) => scopes.includes(scope))
}
