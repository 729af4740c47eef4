import type { Namespace, Socket } from 'socket.io'

import { encodeLoggedEvent, encodeSeq } from '../../api/event-wire.js'
import type { ConnectedPayload, ResyncPayload, ResyncReason } from '../../api/socket-events.js'
import { CONNECTED_MESSAGE } from '../../api/socket-events.js'
import type { BalanceManager, LoggedEvent, Logger } from '../../index.js'
import type { ServerMetrics } from '../metrics/server-metrics.js'
import { drained, waitingPackets, WAITING_PACKETS_MAX } from './slow-reader.js'

/** A client that missed more than this reads the lists anew. */
const REPLAY_MAX = 10_000n
const REPLAY_PAGE = 500
const LIVE_ROOM = 'live'

/** Where a client was when it left. */
export interface ResumePoint {
  readonly since: bigint | null
  readonly log: string | null
}

export interface EventFeedOptions {
  readonly events: BalanceManager['events']
  readonly namespace: Namespace
  readonly metrics: ServerMetrics
  readonly logger: Logger
}

/**
 * Sends the event log to the connected clients.
 *
 * Invariant: a socket is in the live room only from the moment when it has been sent exactly the events up to
 * `events.seq`. Joining and comparing happen in one turn of the event loop, so that there is neither gap nor duplicate.
 */
export class EventFeed {
  readonly #events: BalanceManager['events']
  readonly #namespace: Namespace
  readonly #metrics: ServerMetrics
  readonly #logger: Logger
  /** Sockets whose place in the log this process has not reached yet: another process served them before. */
  readonly #ahead = new Map<Socket, bigint>()
  #unsubscribe: (() => void) | null = null
  #closed = false

  constructor(options: EventFeedOptions) {
    this.#events = options.events
    this.#namespace = options.namespace
    this.#metrics = options.metrics
    this.#logger = options.logger
  }

  /** Before the first `attach`: no socket is greeted before the feed follows the log. */
  start(): void {
    const begin = (): void => {
      if (!this.#closed) this.#unsubscribe ??= this.#events.subscribe((event) => this.#broadcast(event))
    }
    // A manager that never gets ready is told about by whoever started it.
    this.#events.ready().then(begin, () => undefined)
  }

  close(): void {
    this.#closed = true
    this.#unsubscribe?.()
    this.#unsubscribe = null
    this.#ahead.clear()
  }

  /**
   * Greets a socket and sends it everything after its resume point, as soon as the log can be read; without a resume point
   * it only greets. Never rejects.
   */
  async attach(socket: Socket, resume: ResumePoint | null): Promise<void> {
    try {
      await this.#events.ready()
      if (resume === null) this.greet(socket)
      else await this.#attach(socket, resume)
    } catch (error) {
      this.#logger.warn({ err: error, socketId: socket.id }, 'events could not be replayed, closing the connection')
      // The client sees a broken transport, and comes again with the same resume point.
      socket.conn.close()
    }
  }

  /** Greets a socket that gets no pushed events. */
  greet(socket: Socket, seq: bigint = this.#events.seq): void {
    const payload: ConnectedPayload = {
      message: CONNECTED_MESSAGE,
      socketId: socket.id,
      timestamp: new Date().toISOString(),
      seq: encodeSeq(seq),
      log: this.#events.logId,
    }
    socket.emit('connected', payload)
  }

  /** Cuts a client that does not read; the others are not harmed by it then. */
  cutIfSlow(socket: Socket): void {
    const packets = waitingPackets(socket)
    if (packets <= WAITING_PACKETS_MAX) return
    this.#metrics.countSlowReader()
    this.#logger.warn({ socketId: socket.id, packets }, 'client does not read, closing the connection')
    socket.conn.close(true)
  }

  async #attach(socket: Socket, { since, log }: ResumePoint): Promise<void> {
    const head = this.#events.seq
    if (since === null) return this.#attachAtHead(socket, null)
    if (log !== null && log !== this.#events.logId) return this.#attachAtHead(socket, 'log_changed')
    if (since > head && !(await this.#isStored(since))) return this.#attachAtHead(socket, 'ahead_of_log')
    if (this.#events.seq - since > REPLAY_MAX) return this.#attachAtHead(socket, 'too_far_behind')
    this.greet(socket, since)
    await this.#replay(socket, since)
  }

  #attachAtHead(socket: Socket, reason: ResyncReason | null): void {
    this.greet(socket)
    if (reason === null) void socket.join(LIVE_ROOM)
    else this.#resync(socket, reason)
  }

  #resync(socket: Socket, reason: ResyncReason): void {
    const payload: ResyncPayload = { seq: encodeSeq(this.#events.seq), log: this.#events.logId, reason }
    socket.emit('resync', payload)
    void socket.join(LIVE_ROOM)
  }

  /** Whether an event that we have not handed out yet is in the log: another process may be ahead of us. */
  async #isStored(seq: bigint): Promise<boolean> {
    const [event] = await this.#events.read(seq - 1n, 1)
    return event?.seq === seq
  }

  async #replay(socket: Socket, since: bigint): Promise<void> {
    let position = since
    while (socket.connected) {
      const missing = this.#events.seq - position
      if (missing === 0n) return void socket.join(LIVE_ROOM)
      if (missing < 0n) return void this.#ahead.set(socket, position)
      if (missing > REPLAY_MAX) return this.#resync(socket, 'too_far_behind')
      const page = await this.#events.read(position, Math.min(REPLAY_PAGE, Number(missing)))
      const last = page.at(-1)
      if (last === undefined || page[0]?.seq !== position + 1n) return this.#resync(socket, 'expired')
      for (const event of page) this.#send(socket, event)
      position = last.seq
      this.#metrics.countReplayed(page.length)
      await drained(socket, REPLAY_PAGE)
    }
  }

  #send(socket: Socket, event: LoggedEvent): void {
    const wire = encodeLoggedEvent(event)
    if (wire !== null) socket.emit(wire.name, wire.payload)
  }

  #broadcast(event: LoggedEvent): void {
    const wire = encodeLoggedEvent(event)
    if (wire !== null) {
      this.#namespace.to(LIVE_ROOM).emit(wire.name, wire.payload)
      for (const id of this.#namespace.adapter.rooms.get(LIVE_ROOM) ?? []) {
        const socket = this.#namespace.sockets.get(id)
        if (socket !== undefined) this.cutIfSlow(socket)
      }
    }
    this.#admitReached(event.seq)
  }

  /** Lets in those who were waiting for this event: the next one is the first that they do not have. */
  #admitReached(seq: bigint): void {
    for (const [socket, position] of this.#ahead) {
      if (position > seq && socket.connected) continue
      this.#ahead.delete(socket)
      if (socket.connected) void socket.join(LIVE_ROOM)
    }
  }
}
