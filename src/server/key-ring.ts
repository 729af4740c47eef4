import { createHash, timingSafeEqual } from 'node:crypto'

import type { RouteScope } from '../api/route.js'
import type { ApiKeyConfig } from '../config/config.js'

/** Who a request comes from, and what that one may do. */
export interface Caller {
  /** Name of the key; null where the service needs none. */
  readonly keyName: string | null
  readonly may: (scope: RouteScope) => boolean
}

const anyone: Caller = { keyName: null, may: () => true }

/**
 * The API keys of the service. Without keys everybody may do everything: the configuration has refused to listen beyond
 * the loopback interface then.
 */
export class KeyRing {
  readonly #keys: readonly { readonly caller: Caller; readonly digest: Buffer }[]

  constructor(keys: readonly ApiKeyConfig[]) {
    this.#keys = keys.map((key) => ({
      digest: Buffer.from(key.secretSha256, 'hex'),
      caller: { keyName: key.name, may: (scope) => key.scopes.includes(scope) },
    }))
  }

  /** @returns the caller, or null when a key is needed and this is none. */
  identify(secret: string | null): Caller | null {
    if (this.#keys.length === 0) return anyone
    if (secret === null) return null
    const digest = createHash('sha256').update(secret).digest()
    let found: Caller | null = null
    // All keys are compared, so that the time taken tells nothing about which one it was.
    for (const key of this.#keys) {
      if (timingSafeEqual(key.digest, digest)) found = key.caller
    }
    return found
  }
}

/** The secret of an `Authorization: Bearer` header; null when there is none. */
export function bearerSecret(authorization: string | undefined): string | null {
  return /^Bearer +([^\s]{1,512})$/i.exec(authorization ?? '')?.[1] ?? null
}
