import { createHash, timingSafeEqual } from 'node:crypto'

import { RequestError } from '../api/request-error.js'
import type { RouteScope } from '../api/route.js'
import type { ApiKey, ApiKeyStore, KeysInForce, Logger } from '../index.js'
import { Gate } from './gate.js'
import type { GateVisitor } from './gate.js'

/** A key that was added or revoked elsewhere counts here after this time, and the reading itself. */
const POLL_INTERVAL_MS = 2000
/** Before the first reading callers wait for it. */
const FIRST_POLL_INTERVAL_MS = 250
/** Uses are noted at most this often: when a key was used last is known to the minute. */
const NOTE_INTERVAL_MS = 60_000

/** Who a request comes from, and what that one may do. */
export interface Caller {
  /** Name of the key; null where the caller needs none. */
  readonly keyName: string | null
  /** False for good once the key is revoked, or keys are needed and this caller has none. */
  readonly isValid: () => boolean
  readonly may: (scope: RouteScope) => boolean
}

interface Entry {
  /** Null for a key of the configuration. */
  readonly id: string | null
  readonly caller: Caller
  readonly digest: Buffer
}

export interface KeyRingOptions {
  /** Keys of the configuration. */
  readonly configured: readonly ApiKey[]
  readonly publicRead: boolean
  /** Keys of the database; may throw as long as there is no database. */
  readonly store: () => Pick<ApiKeyStore, 'keysInForce' | 'noteUse'>
  readonly logger: Logger
}

/**
 * The API keys of the service: those of the configuration, and those of the database, which are read again all the time.
 *
 * Without any key everybody may do everything. As long as it is not known whether the database has keys, nobody may
 * do anything; once known, the last known keys hold while the database is away.
 */
export class KeyRing {
  readonly #options: KeyRingOptions
  readonly #configured: readonly Entry[]
  /** By id; null until the database was read. */
  #stored: ReadonlyMap<string, Entry> | null = null
  #everAdded = false
  readonly #anyone: Caller
  readonly #reader: Caller
  readonly #used = new Set<string>()
  readonly #listeners = new Set<() => void>()
  #notedAtMs = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | null = null
  #failing = false
  #closed = false
  /** Opens with the first reading of the database. */
  readonly #known = new Gate()

  constructor(options: KeyRingOptions) {
    this.#options = options
    this.#configured = options.configured.map((key) => this.#entry(key, null))
    this.#anyone = callerOf(null, () => true, { isValid: () => !this.required })
    this.#reader = callerOf(null, (scope) => scope === 'read', { isValid: () => options.publicRead })
  }

  /** Reads the keys of the database, and goes on reading them. A failure is told in the log, and tried again. */
  async start(): Promise<void> {
    await this.#poll()
  }

  close(): void {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#listeners.clear()
  }

  /** Whether it is known which keys the database has. */
  get isKnown(): boolean {
    return this.#stored !== null
  }

  /** True as soon as there is a key, or was one in the database. */
  get required(): boolean {
    return this.#configured.length > 0 || this.#everAdded
  }

  /** Calls the listener when callers that were valid may be so no longer. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener)
  }

  /**
   * @param secret what the caller gave for a key; null for nothing
   * @returns the caller, or null when a key is needed and this is none
   * @throws {RequestError} `not_ready` when the database was never read and decides.
   */
  identify(secret: string | null): Caller | null {
    const found = secret === null ? null : this.#find(secret)
    if (found !== null) {
      if (found.id !== null) this.#used.add(found.id)
      return found.caller
    }
    if (this.isKnown && !this.required) return this.#anyone
    if (!this.isKnown && (secret !== null || !this.required)) {
      throw new RequestError('not_ready', 'the API keys could not be read from the database yet')
    }
    return secret === null && this.#options.publicRead ? this.#reader : null
  }

  /** As `identify`, but waits for the first reading where that decides, as long as the caller does. */
  async identifyWhenKnown(secret: string | null, visitor: GateVisitor): Promise<Caller | null> {
    try {
      return this.identify(secret)
    } catch {
      await this.#known.pass(visitor)
      return this.identify(secret)
    }
  }

  /** All keys are compared, so that the time taken tells nothing about which one it was. */
  #find(secret: string): Entry | null {
    const digest = createHash('sha256').update(secret).digest()
    let found: Entry | null = null
    for (const entry of this.#configured) if (timingSafeEqual(entry.digest, digest)) found = entry
    for (const entry of this.#stored?.values() ?? []) if (timingSafeEqual(entry.digest, digest)) found = entry
    return found
  }

  #entry(key: ApiKey, id: string | null): Entry {
    return {
      id,
      digest: Buffer.from(key.secretSha256, 'hex'),
      caller: callerOf(key.name, (scope) => key.scopes.includes(scope), {
        isValid: () => id === null || this.#stored?.has(id) === true,
      }),
    }
  }

  async #poll(): Promise<void> {
    try {
      const store = this.#options.store()
      this.#take(await store.keysInForce())
      await this.#noteUse(store)
      if (this.#failing) this.#options.logger.info({}, 'API keys are read again')
      this.#failing = false
    } catch (error) {
      if (!this.#failing)
        this.#options.logger.warn({ err: error }, 'API keys could not be read, the last known ones hold')
      this.#failing = true
    }
    if (this.#closed) return
    this.#timer = setTimeout(() => void this.#poll(), this.isKnown ? POLL_INTERVAL_MS : FIRST_POLL_INTERVAL_MS).unref()
  }

  #take({ everAdded, keys }: KeysInForce): void {
    const before = this.#stored
    const wasRequired = this.required
    // An entry stays the same object for as long as its key is in force: callers hold on to it.
    this.#stored = new Map(keys.map((key) => [key.id, before?.get(key.id) ?? this.#entry(key, key.id)]))
    this.#everAdded ||= everAdded
    this.#known.open()
    const lost = [...(before?.keys() ?? [])].filter((id) => this.#stored?.has(id) !== true)
    if (lost.length === 0 && wasRequired === this.required) return
    this.#options.logger.info({ revoked: lost.length, inForce: keys.length }, 'API keys changed')
    for (const listener of this.#listeners) listener()
  }

  async #noteUse(store: Pick<ApiKeyStore, 'noteUse'>): Promise<void> {
    const nowMs = performance.now()
    if (this.#used.size === 0 || nowMs - this.#notedAtMs < NOTE_INTERVAL_MS) return
    this.#notedAtMs = nowMs
    const ids = [...this.#used]
    this.#used.clear()
    await store.noteUse(ids)
  }
}

function callerOf(
  keyName: string | null,
  allows: (scope: RouteScope) => boolean,
  { isValid }: Pick<Caller, 'isValid'>,
): Caller {
  return { keyName, isValid, may: (scope) => isValid() && allows(scope) }
}

/** The secret of an `Authorization: Bearer` header; null when there is none. */
export function bearerSecret(authorization: string | undefined): string | null {
  return /^Bearer +([^\s]{1,512})$/i.exec(authorization ?? '')?.[1] ?? null
}
