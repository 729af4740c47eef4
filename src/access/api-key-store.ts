import { TidemarkError } from '../model/errors.js'
import type { ApiKey, StoredApiKey } from './api-key.js'

/** Keys in force at a time: every request is compared with all of them. */
export const STORED_KEYS_MAX = 1000

/** A key in force, with the name that the database has for it. */
export interface KeyInForce extends ApiKey {
  readonly id: string
}

export interface KeysInForce {
  /** True as soon as there was a key: taking away the last one opens nothing. */
  readonly everAdded: boolean
  readonly keys: readonly KeyInForce[]
}

/** A key of that name is in force. */
export class ApiKeyNameTakenError extends TidemarkError {
  readonly code = 'api_key_name_taken'
}

/** There are as many keys in force as there may be. */
export class TooManyApiKeysError extends TidemarkError {
  readonly code = 'too_many_api_keys'
}

/** Keys that were added while the service runs, beside those of the configuration. A key is never changed. */
export interface ApiKeyStore {
  keysInForce(): Promise<KeysInForce>
  /** @throws {ApiKeyNameTakenError | TooManyApiKeysError} */
  add(key: ApiKey): Promise<StoredApiKey>
  /** Keys in force by name, then revoked ones, newest first, up to a bound. */
  list(): Promise<readonly StoredApiKey[]>
  /** Ends a key in force for good; null when there is none of that id or name. */
  revoke(nameOrId: string): Promise<StoredApiKey | null>
  /** Notes that keys were used just now, at most once a minute for each. */
  noteUse(ids: readonly string[]): Promise<void>
}
