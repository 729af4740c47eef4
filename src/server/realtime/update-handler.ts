import type { Socket } from 'socket.io'

import { toErrorAnswer } from '../../api/error-answer.js'
import type { WireError } from '../../api/error-answer.js'
import { RequestError } from '../../api/request-error.js'
import { encodeAcknowledgement } from '../../api/snapshot-wire.js'
import type { UpdateAnswer } from '../../api/socket-events.js'
import type { BalanceManager, Logger } from '../../index.js'
import type { Caller } from '../key-ring.js'
import type { ServerMetrics } from '../metrics/server-metrics.js'

/** Saves of one connection that may wait for the database. */
const IN_FLIGHT_MAX = 1000

export interface UpdateHandlerOptions {
  readonly manager: Pick<BalanceManager, 'saveSnapshot'>
  readonly metrics: ServerMetrics
  readonly logger: Logger
}

/** Takes `balance:update` events: whatever comes, it answers, and never throws. */
export class UpdateHandler {
  readonly #manager: Pick<BalanceManager, 'saveSnapshot'>
  readonly #metrics: ServerMetrics
  readonly #logger: Logger
  readonly #inFlight = new Set<Promise<void>>()
  #closed = false

  constructor(options: UpdateHandlerOptions) {
    this.#manager = options.manager
    this.#metrics = options.metrics
    this.#logger = options.logger
  }

  listen(socket: Socket, caller: Caller): void {
    let inFlight = 0
    socket.on('balance:update', (...args: unknown[]) => {
      const answered = this.#answer({ socket, caller, args, inFlight }).finally(() => {
        inFlight -= 1
        this.#inFlight.delete(answered)
      })
      inFlight += 1
      this.#inFlight.add(answered)
    })
  }

  /** Refuses new snapshots and waits for those under way to be answered. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#inFlight)
  }

  async #answer(update: { socket: Socket; caller: Caller; args: unknown[]; inFlight: number }): Promise<void> {
    const { socket, args } = update
    const last = args.at(-1)
    const acknowledge = typeof last === 'function' ? (last as (answer: UpdateAnswer) => void) : null
    const payload = acknowledge !== null && args.length === 1 ? undefined : args[0]
    const answer = await this.#save(update, payload)
    socket.emit(answer.success ? 'balance:ack' : 'balance:error', answer)
    acknowledge?.(answer)
  }

  async #save(
    { socket, caller, inFlight }: { socket: Socket; caller: Caller; inFlight: number },
    payload: unknown,
  ): Promise<UpdateAnswer> {
    try {
      if (this.#closed) throw new RequestError('closed', 'the service is shutting down')
      if (!caller.may('write')) throw new RequestError('forbidden', 'expected an API key with the scope "write"')
      if (inFlight >= IN_FLIGHT_MAX) {
        throw new RequestError('overloaded', `${IN_FLIGHT_MAX} snapshots of this connection wait for the database`)
      }
      const { body, key } = splitKey(payload)
      const { snapshot } = await this.#manager.saveSnapshot(body, key)
      return encodeAcknowledgement(snapshot)
    } catch (error) {
      return this.#refuse(socket, error)
    }
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
