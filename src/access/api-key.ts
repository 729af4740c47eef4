/** What a key allows; each one includes those before it. */
export type ApiKeyScope = 'read' | 'write' | 'admin'

/** Every scope, by power. */
export const apiKeyScopes: readonly ApiKeyScope[] = ['read', 'write', 'admin']

/** A key as the service knows it. The secret itself is never kept. */
export interface ApiKey {
  readonly name: string
  /** SHA-256 of the secret's UTF-8 bytes, 64 lower-case hex digits. */
  readonly secretSha256: string
  /** Complete: a key for `admin` lists `write` and `read` too. */
  readonly scopes: readonly ApiKeyScope[]
}

/** A key of the database, without its hash. */
export interface StoredApiKey {
  /** UUID. */
  readonly id: string
  readonly name: string
  readonly scopes: readonly ApiKeyScope[]
  readonly createdAt: Date
  /** Exact to a minute or so; null when it was never used. */
  readonly lastUsedAt: Date | null
  readonly revokedAt: Date | null
}

/** What a key may be called. */
export const apiKeyName: RegExp = /^[\w.-]{1,32}$/

/** The strongest of some scopes and all that it includes. */
export function completeScopes(scopes: readonly ApiKeyScope[]): readonly ApiKeyScope[] {
  const strongest = Math.max(...scopes.map((scope) => apiKeyScopes.indexOf(scope)))
  return apiKeyScopes.slice(0, strongest + 1)
}
