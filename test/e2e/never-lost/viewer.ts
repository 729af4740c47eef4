import type { Socket } from 'socket.io-client'

import type { WireSnapshotEvent } from '../../../src/api/event-wire.js'
import type { ConnectedPayload, ResyncPayload } from '../../../src/api/socket-events.js'
import { Connection } from './connection.js'
import type { Transports } from './connection.js'
import { contentOf, digestOf } from './history.js'
import type { SeenSnapshot, ViewerHistory, Watch } from './history.js'

interface OpenWatch extends Watch {
  greeted: number | null
  resync: string | null
  ended: string | null
  readonly seen: SeenSnapshot[]
}

export interface ViewerOptions {
  readonly name: string
  readonly urls: readonly string[]
  readonly transports: Transports
  readonly token: string
  /** Where it begins: at the first event of the log, or at the newest one when it comes. */
  readonly from: 'start' | 'newest'
}

/** Follows the pushed snapshots over as many connections as it takes, and writes down what came on each. */
export class Viewer {
  readonly #name: string
  readonly #connection: Connection
  readonly #watches: OpenWatch[] = []
  #since: number | null
  #log: string | null = null

  constructor({ name, urls, transports, token, from }: ViewerOptions) {
    this.#name = name
    this.#since = from === 'start' ? 0 : null
    this.#connection = new Connection({
      urls,
      transports,
      auth: () => ({
        token,
        ...(this.#since === null ? {} : { since: this.#since }),
        ...(this.#log === null ? {} : { log: this.#log }),
      }),
      onSocket: (socket) => this.#watch(socket),
      onDown: (socket, reason) => {
        socket.removeAllListeners()
        const watch = this.#watches.at(-1)
        if (watch !== undefined) watch.ended = reason
      },
    })
  }

  /** The newest event it has; -1 before the first greeting. */
  get seq(): number {
    return this.#since ?? -1
  }

  get connections(): number {
    return this.#connection.connections
  }

  get history(): ViewerHistory {
    return { name: this.#name, watches: this.#watches }
  }

  leave(): void {
    this.#connection.leave()
  }

  close(): void {
    this.#connection.close()
  }

  #watch(socket: Socket): void {
    const watch: OpenWatch = { asked: this.#since, greeted: null, resync: null, ended: null, seen: [] }
    this.#watches.push(watch)
    socket.on('connected', ({ seq, log }: ConnectedPayload) => {
      watch.greeted = Number(seq)
      this.#since ??= Number(seq)
      this.#log = log
    })
    socket.on('resync', ({ reason, seq }: ResyncPayload) => {
      watch.resync = reason
      this.#since = Number(seq)
    })
    socket.on('balance:snapshot', ({ seq, id, ts, ...body }: WireSnapshotEvent) => {
      this.#since = Number(seq)
      watch.seen.push({ seq: Number(seq), id, digest: digestOf(ts, contentOf(body)) })
    })
  }
}
