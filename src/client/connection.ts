import type { Socket } from 'socket.io-client'
import { io } from 'socket.io-client'

import type { ConnectedPayload } from '../api/socket-events.js'
import { failureOf, isWireError, TidemarkApiError } from './api-failure.js'
import type { BackoffOptions } from './backoff.js'
import { backoffMs } from './backoff.js'
import type { ServiceAddress } from './service-address.js'

/**
 * - `connecting`: an attempt is under way
 * - `live`: the service has greeted
 * - `offline`: the connection was lost or refused; another attempt follows by itself
 * - `closed`: ended for good, by the caller or because the service refuses us
 */
export type ConnectionState = 'connecting' | 'live' | 'offline' | 'closed'

export interface ConnectionChange {
  readonly state: ConnectionState
  /** Why it is `offline` or `closed`; null when there was no failure. */
  readonly error: TidemarkApiError | null
}

export interface ConnectionOptions {
  readonly address: ServiceAddress
  /** What goes into the handshake, asked anew for each attempt. */
  readonly auth: () => Readonly<Record<string, unknown>>
  readonly transports: readonly ('websocket' | 'polling')[]
  readonly backoff: BackoffOptions
  /** An attempt must have been greeted within this time. */
  readonly connectTimeoutMs: number
  /** Called after the state has changed. */
  readonly onChange: (change: ConnectionChange) => void
  /** Called for the greeting, after the state is `live`. */
  readonly onGreeting: (greeting: ConnectedPayload) => void
  /** Called for every other event. */
  readonly onEvent: (name: string, payload: unknown) => void
}

/** Refusals that stay, however often one comes back. */
const finalRefusals: ReadonlySet<string> = new Set(['unauthorized', 'forbidden', 'invalid_request'])

/**
 * A Socket.IO connection that comes back by itself, for ever, until it is closed or refused for good.
 *
 * Socket.IO's own reconnection is off: it does not try again after a refusal or a disconnection by the server, and knows
 * nothing of the time that a refusal asks to wait.
 */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #socket: Socket
  #state: ConnectionState = 'offline'
  /** Attempts that failed since the last greeting. */
  #failures = 0
  /** Ends the attempt that takes too long, or begins the next one. */
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#socket = io(options.address.origin, {
      path: options.address.socketPath,
      transports: [...options.transports],
      // Where WebSockets do not get through, polling may.
      tryAllTransports: true,
      auth: (give) => give(options.auth()),
      autoConnect: false,
      reconnection: false,
      // Others of the same page or process have connections of their own.
      forceNew: true,
      timeout: options.connectTimeoutMs,
    })
    this.#socket.on('connect_error', (error) => this.#refused(error))
    this.#socket.on('disconnect', (reason) => {
      // Told only when it was not our own doing.
      if (reason !== 'io client disconnect') this.#lost(unreachable(`the connection was lost: ${reason}`))
    })
    this.#socket.onAny((name: string, payload: unknown) => {
      if (name === 'connected') this.#greeted(payload as ConnectedPayload)
      else if (this.#state === 'live') this.#options.onEvent(name, payload)
    })
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** Begins to connect. */
  open(): void {
    if (this.#state === 'offline') this.#connect()
  }

  /** Leaves this connection for a new one. */
  restart(reason: TidemarkApiError): void {
    this.#lost(reason)
  }

  /** Sends an event and gives the answer, or an error when there is none in time. Only while `live`. */
  ask(
    name: string,
    payload: unknown,
    timeoutMs: number,
    answered: (error: Error | null, answer: unknown) => void,
  ): void {
    if (this.#state !== 'live') throw new Error('invariant: nothing is sent without a connection')
    this.#socket.timeout(timeoutMs).emit(name, payload, answered)
  }

  /** Ends it for good. Idempotent. */
  close(error: TidemarkApiError | null = null): void {
    if (this.#state === 'closed') return
    clearTimeout(this.#timer)
    this.#change('closed', error)
  }

  #connect(): void {
    this.#timer = setTimeout(() => this.#lost(timedOut()), this.#options.connectTimeoutMs)
    this.#change('connecting', null)
    // A listener may have closed it.
    if (this.#state === 'connecting') this.#socket.connect()
  }

  #greeted(greeting: ConnectedPayload): void {
    if (this.#state !== 'connecting') return
    clearTimeout(this.#timer)
    this.#failures = 0
    this.#change('live', null)
    if (this.state === 'live') this.#options.onGreeting(greeting)
  }

  #refused(error: Error): void {
    const body: unknown = 'data' in error ? error.data : undefined
    const failure = isWireError(body)
      ? failureOf(body, null, null)
      : unreachable(`the service cannot be reached: ${error.message}`, error)
    if (finalRefusals.has(failure.code)) this.close(failure)
    else this.#lost(failure)
  }

  #lost(error: TidemarkApiError): void {
    // One failure may be told in two ways: the first one counts.
    if (this.#state !== 'live' && this.#state !== 'connecting') return
    clearTimeout(this.#timer)
    this.#failures += 1
    const waitMs = Math.max(backoffMs(this.#options.backoff, this.#failures), error.retryAfterMs ?? 0)
    this.#timer = setTimeout(() => this.#connect(), waitMs)
    this.#change('offline', error)
  }

  #change(state: ConnectionState, error: TidemarkApiError | null): void {
    this.#state = state
    // Before anybody is told: nothing that is still under way is answered any more.
    if (state === 'offline' || state === 'closed') this.#socket.disconnect()
    this.#options.onChange({ state, error })
  }
}

function unreachable(message: string, cause?: Error): TidemarkApiError {
  return new TidemarkApiError(message, { code: 'unreachable', retryable: true, cause })
}

function timedOut(): TidemarkApiError {
  return new TidemarkApiError('the service did not greet in time', { code: 'timeout', retryable: true })
}
