import type { Socket } from 'socket.io-client'

import { Connection } from './connection.js'
import type { Transports } from './connection.js'
import type { Draft } from './draw-report.js'
import type { Attempt } from './history.js'
import { ANSWER_TIMEOUT_MS, readAnswer } from './send-report.js'
import type { Sender, Sending } from './send-report.js'

type Settle = (attempt: Attempt) => void

/** Sends `balance:update`, and takes the answer from the acknowledgement callback, or from the events that answer it. */
export class SocketSender implements Sender {
  readonly #connection: Connection
  readonly #withCallback: boolean
  /** What waits for an answer on the connection of the moment. */
  #waiting = new Set<Settle>()

  /** @param options.withCallback false for a client that only listens to events: it sends one report at a time. */
  constructor(options: { urls: readonly string[]; transports: Transports; token: string; withCallback: boolean }) {
    const { urls, transports, token, withCallback } = options
    this.#withCallback = withCallback
    this.#connection = new Connection({
      urls,
      transports,
      auth: () => ({ token }),
      onSocket: (socket) => {
        if (!withCallback) for (const name of ['balance:ack', 'balance:error']) this.#listen(socket, name)
      },
      onDown: (_socket, reason) => {
        const cut = [...this.#waiting]
        this.#waiting = new Set()
        for (const settle of cut) settle({ kind: 'unknown', reason })
      },
    })
  }

  send({ key, body }: Draft): Promise<Sending> {
    const { socket } = this.#connection
    if (socket === null) return Promise.resolve({ kind: 'unsent' })
    if (!this.#withCallback && this.#waiting.size > 0) throw new Error('one report at a time without a callback')
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        settle({ kind: 'unknown', reason: 'no answer' })
        // A late answer must not be taken for that of the next report.
        this.#connection.leave()
      }, ANSWER_TIMEOUT_MS)
      const settle: Settle = (attempt) => {
        clearTimeout(timer)
        this.#waiting.delete(settle)
        resolve(attempt)
      }
      this.#waiting.add(settle)
      const payload = key === null ? body : { id: key, ...body }
      if (this.#withCallback) socket.emit('balance:update', payload, (answer: unknown) => settle(attemptOf(answer)))
      else socket.emit('balance:update', payload)
    })
  }

  close(): void {
    this.#connection.close()
  }

  #listen(socket: Socket, name: string): void {
    socket.on(name, (answer: unknown) => {
      for (const settle of this.#waiting) settle(attemptOf(answer))
    })
  }
}

function attemptOf(answer: unknown): Attempt {
  return readAnswer(answer) ?? { kind: 'unknown', reason: `odd answer ${JSON.stringify(answer)}` }
}
