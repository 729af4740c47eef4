import type { WireEvent } from '../api/event-wire.js'
import type { ConnectedPayload, ResyncPayload, ResyncReason } from '../api/socket-events.js'
import { TidemarkApiError } from './api-failure.js'
import type { ConnectionChange, ConnectionOptions, ConnectionState } from './connection.js'
import { Connection } from './connection.js'
import { Emitter } from './emitter.js'
import { PlaceKeeper } from './place-keeper.js'
import type { Place, PlaceStorage } from './place-keeper.js'

/** Events were missed that the service cannot send any more: read the lists anew; what follows comes after `place`. */
export interface ResyncNotice {
  readonly reason: ResyncReason
  /** Where this viewer was. */
  readonly before: Place | null
  /** Where it goes on. */
  readonly place: Place
}

type Pushed = { readonly [Event in WireEvent as Event['name']]: Event['payload'] }

/** What a viewer can listen to: the service's events by the names they have on the wire, and four of its own. */
export interface LiveEvents extends Pushed {
  /** Every event of the log, whatever its name. */
  readonly event: WireEvent
  readonly state: ConnectionChange
  readonly resync: ResyncNotice
  /** Something went wrong that does not end the connection. */
  readonly problem: Error
}

export interface LiveFeedOptions extends Omit<ConnectionOptions, 'auth' | 'onChange' | 'onGreeting' | 'onEvent'> {
  readonly apiKey: () => string | undefined
  readonly place: PlaceStorage | undefined
  readonly onClosed: () => void
}

/**
 * The event log as it grows: each event once, in the order of `seq`, across lost connections, restarts of the service and
 * other replicas of it.
 *
 * Invariant: `#place` is the last event that was handed out, or where the service said that we begin. A handshake asks for
 * what comes after it, and only the event after it is handed out.
 */
export class LiveFeed {
  readonly #options: LiveFeedOptions
  readonly #connection: Connection
  readonly #emitter = new Emitter<LiveEvents>()
  readonly #keeper: PlaceKeeper
  #place: { readonly seq: bigint; readonly log: string } | null = null
  /** A gap that was seen once: from the place before it to the event behind it. */
  #doubted: { readonly from: bigint; readonly to: bigint } | null = null
  #closing: Promise<void> | null = null

  constructor(options: LiveFeedOptions) {
    this.#options = options
    this.#keeper = new PlaceKeeper(options.place, (error) => this.#emitter.emit('problem', error))
    this.#connection = new Connection({
      ...options,
      auth: () => this.#handshake(),
      onChange: (change) => this.#changed(change),
      onGreeting: (greeting) => this.#greeted(greeting),
      onEvent: (name, payload) => this.#received(name, payload),
    })
    void this.#start()
  }

  get state(): ConnectionState {
    return this.#connection.state
  }

  /** The last event that was handed out; null before the first greeting. */
  get place(): Place | null {
    return this.#place === null ? null : { seq: this.#place.seq.toString(), log: this.#place.log }
  }

  /**
   * Listens to an event. Listeners are called one after the other and should not take long; what one throws is an
   * uncaught error.
   *
   * @returns what takes the listener away again.
   */
  on<Name extends keyof LiveEvents>(name: Name, listener: (payload: LiveEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener)
  }

  /** Disconnects, and resolves when the place has been stored. Idempotent. */
  close(): Promise<void> {
    this.#connection.close()
    return (this.#closing ??= this.#keeper.settled())
  }

  async #start(): Promise<void> {
    try {
      const place = await this.#keeper.load()
      if (place !== null) this.#place = { seq: BigInt(place.seq), log: place.log }
    } catch (cause) {
      // To begin at the head would pass over everything since the stored place without saying so.
      const message = 'the stored place in the event log cannot be read'
      this.#connection.close(new TidemarkApiError(message, { code: 'invalid_argument', retryable: false, cause }))
      return
    }
    this.#connection.open()
  }

  #handshake(): Readonly<Record<string, unknown>> {
    const { seq = null, log = null } = this.place ?? {}
    return { token: this.#options.apiKey(), since: seq, log }
  }

  #changed(change: ConnectionChange): void {
    this.#emitter.emit('state', change)
    if (change.state === 'closed') this.#options.onClosed()
  }

  #greeted({ seq, log }: ConnectedPayload): void {
    // Otherwise a `resync` follows, which tells where to go on.
    if (this.#place === null) this.#moveTo(BigInt(seq), log)
  }

  #received(name: string, payload: unknown): void {
    if (name === 'resync') return this.#resynced(payload as ResyncPayload)
    const seq = seqOf(payload)
    if (seq === null || this.#place === null || seq <= this.#place.seq) return
    if (seq > this.#place.seq + 1n && this.#isDoubtful(this.#place.seq, seq)) return
    this.#moveTo(seq, this.#place.log)
    const event = { name, payload } as WireEvent
    this.#emitter.emit(event.name, event.payload)
    this.#emitter.emit('event', event)
  }

  /**
   * Missing events are asked for once more, by a connection that begins after the last one we have. What is left out then
   * too is not in the log, and waiting for it would be waiting for ever.
   */
  #isDoubtful(from: bigint, to: bigint): boolean {
    const again = this.#doubted?.from === from && this.#doubted.to === to
    this.#doubted = again ? null : { from, to }
    const gap = `events ${from + 1n} to ${to - 1n} ${again ? 'are not in the log' : 'are missing, asking for them again'}`
    const failure = new TidemarkApiError(gap, { code: 'bad_answer', retryable: !again })
    this.#emitter.emit('problem', failure)
    if (!again) this.#connection.restart(failure)
    return !again
  }

  #resynced({ seq, log, reason }: ResyncPayload): void {
    const before = this.place
    this.#moveTo(BigInt(seq), log)
    this.#emitter.emit('resync', { reason, before, place: { seq: String(seq), log } })
  }

  #moveTo(seq: bigint, log: string): void {
    this.#place = { seq, log }
    this.#keeper.keep({ seq: seq.toString(), log })
  }
}

/** The place of an event in the log; null when it has none. */
function seqOf(payload: unknown): bigint | null {
  if (typeof payload !== 'object' || payload === null || !('seq' in payload)) return null
  const { seq } = payload
  if (typeof seq === 'number' && Number.isSafeInteger(seq)) return BigInt(seq)
  return typeof seq === 'string' && /^\d+$/.test(seq) ? BigInt(seq) : null
}
