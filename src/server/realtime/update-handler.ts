import { performance } from 'node:perf_hooks'

import type { Socket } from 'socket.io'

import { toErrorAnswer } from '../../api/error-answer.js'
import type { WireError } from '../../api/error-answer.js'
import { RequestError } from '../../api/request-error.js'
import { encodeAcknowledgement } from '../../api/snapshot-wire.js'
import type { UpdateAnswer } from '../../api/socket-events.js'
import type { BalanceManager, Logger } from '../../index.js'
import type { Caller } from '../key-ring.js'
import { callerAddress } from '../limits/caller-address.js'
import { RateLimitedError } from '../limits/rate-limited-error.js'
import type { ServerLimits } from '../limits/server-limits.js'
import type { TakeSnapshot } from '../limits/snapshot-limit.js'
import { TokenBucket } from '../limits/token-bucket.js'
import type { ServerMetrics } from '../metrics/server-metrics.js'
import { cutConnection } from './cut-connection.js'

/** Saves of one connection that may wait for the database. */
const IN_FLIGHT_MAX = 1000
/** A connection may be refused as often as it may report in so many seconds, and then a tenth as often as it may report. */
const PATIENCE_SECONDS = 2
const PATIENCE_SHARE = 0.1
/** However little a connection may report, it is refused so often before it is cut. */
const REFUSALS_MIN = 100

export interface UpdateHandlerOptions {
  readonly manager: Pick<BalanceManager, 'saveSnapshot'>
  readonly limits: ServerLimits
  readonly metrics: ServerMetrics
  readonly logger: Logger
}

/** One connection as a reporter. */
interface ReportingSocket {
  readonly socket: Socket
  readonly caller: Caller
  readonly take: TakeSnapshot
  /** Refusals that it may still bring about. */
  readonly patience: TokenBucket
  /** When it was told to come again: coming then costs no patience, whatever it is told. */
  mayComeAtMs: number
  inFlight: number
}

/** Takes `balance:update` events: whatever comes, it answers, and never throws. */
export class UpdateHandler {
  readonly #manager: Pick<BalanceManager, 'saveSnapshot'>
  readonly #limits: ServerLimits
  readonly #metrics: ServerMetrics
  readonly #logger: Logger
  readonly #inFlight = new Set<Promise<void>>()
  #closed = false

  constructor(options: UpdateHandlerOptions) {
    this.#manager = options.manager
    this.#limits = options.limits
    this.#metrics = options.metrics
    this.#logger = options.logger
  }

  listen(socket: Socket, caller: Caller): void {
    const address = callerAddress(socket.conn.remoteAddress)
    const { take, perSecond } = this.#limits.connectionReporter({ keyName: caller.keyName, address })
    const refusals = {
      perSecond: perSecond * PATIENCE_SHARE,
      burst: Math.max(REFUSALS_MIN, perSecond * PATIENCE_SECONDS),
    }
    const patience = new TokenBucket(refusals, performance.now())
    const reporting: ReportingSocket = { socket, caller, take, patience, mayComeAtMs: 0, inFlight: 0 }
    socket.on('balance:update', (...args: unknown[]) => {
      const answered = this.#answer(reporting, args).finally(() => {
        reporting.inFlight -= 1
        this.#inFlight.delete(answered)
      })
      reporting.inFlight += 1
      this.#inFlight.add(answered)
    })
  }

  /** Refuses new snapshots and waits for those under way to be answered. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#inFlight)
  }

  async #answer(reporting: ReportingSocket, args: readonly unknown[]): Promise<void> {
    const last = args.at(-1)
    const acknowledge = typeof last === 'function' ? (last as (answer: UpdateAnswer) => void) : null
    const payload = acknowledge !== null && args.length === 1 ? undefined : args[0]
    const answer = await this.#save(reporting, payload)
    reporting.socket.emit(answer.success ? 'balance:ack' : 'balance:error', answer)
    acknowledge?.(answer)
  }

  async #save(reporting: ReportingSocket, payload: unknown): Promise<UpdateAnswer> {
    try {
      if (this.#closed) throw new RequestError('closed', 'the service is shutting down')
      if (!reporting.caller.may('write')) {
        throw new RequestError('forbidden', 'expected an API key with the scope "write"')
      }
      if (reporting.inFlight >= IN_FLIGHT_MAX) {
        throw new RequestError('overloaded', `${IN_FLIGHT_MAX} snapshots of this connection wait for the database`)
      }
      this.#limits.admitSnapshot(reporting.take)
      const { body, key } = splitKey(payload)
      const { snapshot } = await this.#manager.saveSnapshot(body, key)
      return encodeAcknowledgement(snapshot)
    } catch (error) {
      if (error instanceof RateLimitedError) this.#losePatience(reporting, error)
      return this.#refuse(reporting.socket, error)
    }
  }

  /** One that goes on although it is told to wait is cut. */
  #losePatience(reporting: ReportingSocket, { retryAfterMs }: RateLimitedError): void {
    const { socket, patience, mayComeAtMs } = reporting
    const nowMs = performance.now()
    reporting.mayComeAtMs = nowMs + retryAfterMs
    if (nowMs >= mayComeAtMs || patience.take(nowMs) === 0) return
    this.#metrics.countLimited('flood')
    this.#logger.warn({ socketId: socket.id }, 'client goes on beyond its limit, closing the connection')
    cutConnection(socket.conn)
  }

  #refuse(socket: Socket, error: unknown): WireError {
    const { body, expected } = toErrorAnswer(error)
    this.#metrics.countRefusedUpdate(body.code)
    if (expected) this.#logger.debug({ socketId: socket.id, code: body.code, error: body.error }, 'snapshot refused')
    else this.#logger.error({ socketId: socket.id, code: body.code, err: error }, 'snapshot failed')
    return body
  }
}

/** Takes the idempotency key out of a payload; what remains is the report, whatever it is. */
function splitKey(payload: unknown): { body: unknown; key: unknown } {
  if (typeof payload !== 'object' || payload === null || !Object.hasOwn(payload, 'id')) {
    return { body: payload, key: undefined }
  }
  const { id: key, ...body } = payload as { readonly id: unknown }
  return { body, key }
}
