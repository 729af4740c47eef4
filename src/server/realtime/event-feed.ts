import type { Socket } from 'socket.io'

import { encodeSeq } from '../../api/event-wire.js'
import { RequestError } from '../../api/request-error.js'
import type { ConnectedPayload, ResyncPayload, ResyncReason } from '../../api/socket-events.js'
import { CONNECTED_MESSAGE } from '../../api/socket-events.js'
import type { BalanceManager, LoggedEvent, Logger } from '../../index.js'
import { Gate } from '../gate.js'
import type { ServerMetrics } from '../metrics/server-metrics.js'
import type { EncodedEvent } from './encoded-event.js'
import { encodeForAll, writeEncoded } from './encoded-event.js'
import { RecentEvents } from './recent-events.js'
import { StoredPages } from './stored-pages.js'

/** A client that missed more than this reads the lists anew. */
const REPLAY_MAX = 10_000n
/** Events, and bytes of them, that are sent to a client that comes back before it has taken the ones before. */
const REPLAY_STEP = 500
const REPLAY_STEP_BYTES = 256 * 1024
/** Writes, and bytes of events, in one turn of the event loop: what else there is to do has its turn in between. */
const TURN_WRITES = 5000
const TURN_BYTES = 1024 * 1024
/** Events that wait for their turn; beyond, whoever hands them over waits. */
const PENDING_MAX = 5000

/** Where a client was when it left. */
export interface ResumePoint {
  readonly since: bigint | null
  readonly log: string | null
}

export interface EventFeedOptions {
  readonly events: BalanceManager['events']
  readonly metrics: ServerMetrics
  readonly logger: Logger
}

/**
 * Sends the event log to the connected clients.
 *
 * Invariant: a socket is live only from the moment when it has been sent exactly the events up to `#sent`. Becoming live
 * and comparing happen in one turn of the event loop, so that there is neither gap nor duplicate.
 */
export class EventFeed {
  readonly #events: BalanceManager['events']
  readonly #metrics: ServerMetrics
  readonly #logger: Logger
  #recent = new RecentEvents()
  #stored: StoredPages
  /** When events were passed over last: whoever was being sent what came before it cannot go on. */
  #break: { readonly reason: ResyncReason } | null = null
  /** Sockets that get every event when it happens. */
  readonly #live = new Set<Socket>()
  /** Sockets whose place in the log this process has not reached yet: another process served them before. */
  readonly #ahead = new Map<Socket, bigint>()
  /** The newest event that was sent to those who are live. */
  #sent = 0n
  #pending: EncodedEvent[] = []
  #turn: NodeJS.Immediate | null = null
  #writesLeft = TURN_WRITES
  #bytesLeft = TURN_BYTES
  #unsubscribe: (() => void) | null = null
  #stopBreaks: (() => void) | null = null
  /** Opens when the log is followed, or never will be. */
  readonly #begun = new Gate()
  #closed = false

  constructor(options: EventFeedOptions) {
    this.#events = options.events
    this.#metrics = options.metrics
    this.#logger = options.logger
    this.#stored = this.#openPages()
  }

  #openPages(): StoredPages {
    return new StoredPages((after, limit) => this.#events.read(after, limit))
  }

  /** Before the first `attach`: no socket is greeted before the feed follows the log. */
  start(): void {
    const begin = (): void => {
      if (this.#closed || this.#unsubscribe !== null) return
      this.#sent = this.#events.seq
      this.#unsubscribe = this.#events.subscribe((event) => this.#take(event))
      this.#stopBreaks = this.#events.onBreak((reason) => this.#startAnew(reason))
    }
    // A manager that never gets ready is told about by whoever started it.
    const begun = this.#events.ready().then(begin, () => undefined)
    void begun.then(() => this.#begun.open())
  }

  close(): void {
    this.#closed = true
    this.#unsubscribe?.()
    this.#unsubscribe = null
    this.#stopBreaks?.()
    this.#stopBreaks = null
    if (this.#turn !== null) clearImmediate(this.#turn)
    this.#pending = []
    this.#live.clear()
    this.#ahead.clear()
  }

  /**
   * Greets a socket and sends it everything after its resume point, as soon as the log can be read; without a resume point
   * it only greets. Never rejects.
   */
  async attach(socket: Socket, resume: ResumePoint | null): Promise<void> {
    try {
      await this.#begun.pass(socket.conn)
      if (!socket.connected) return
      if (this.#unsubscribe === null) throw new RequestError('not_ready', 'the event log is not followed')
      if (resume === null) this.#greet(socket)
      else await this.#attach(socket, resume)
    } catch (error) {
      this.#logger.warn({ err: error, socketId: socket.id }, 'events could not be replayed, closing the connection')
      // The client sees a broken transport, and comes again with the same resume point.
      socket.conn.close()
    }
  }

  /** Greets a socket that gets no pushed events. */
  #greet(socket: Socket, seq: bigint = this.#sent): void {
    const payload: ConnectedPayload = {
      message: CONNECTED_MESSAGE,
      socketId: socket.id,
      timestamp: new Date().toISOString(),
      seq: encodeSeq(seq),
      log: this.#events.logId,
    }
    socket.emit('connected', payload)
  }

  /** Forgets a socket that is gone. */
  detach(socket: Socket): void {
    this.#live.delete(socket)
    this.#ahead.delete(socket)
  }

  async #attach(socket: Socket, { since, log }: ResumePoint): Promise<void> {
    const lastBreak = this.#break
    if (since === null) return this.#attachAtHead(socket, null)
    if (log !== null && log !== this.#events.logId) return this.#attachAtHead(socket, 'log_changed')
    if (since > this.#events.seq && !(await this.#isStored(since))) return this.#attachAtHead(socket, 'ahead_of_log')
    if (this.#sent - since > REPLAY_MAX) return this.#attachAtHead(socket, 'too_far_behind')
    this.#greet(socket, since)
    await this.#replay(socket, since, lastBreak)
  }

  /** Everybody is told to read the lists anew: what comes next does not follow on what was sent. */
  #startAnew(reason: ResyncReason): void {
    this.#break = { reason }
    this.#pending = []
    this.#recent = new RecentEvents()
    this.#stored = this.#openPages()
    this.#sent = this.#events.seq
    for (const socket of [...this.#live, ...this.#ahead.keys()]) this.#resync(socket, reason)
    this.#ahead.clear()
  }

  #attachAtHead(socket: Socket, reason: ResyncReason | null): void {
    this.#greet(socket)
    if (reason === null) this.#goLive(socket)
    else this.#resync(socket, reason)
  }

  #resync(socket: Socket, reason: ResyncReason): void {
    const payload: ResyncPayload = { seq: encodeSeq(this.#sent), log: this.#events.logId, reason }
    socket.emit('resync', payload)
    this.#goLive(socket)
  }

  #goLive(socket: Socket): void {
    if (socket.connected) this.#live.add(socket)
  }

  /** Whether an event that we have not handed out yet is in the log: another process may be ahead of us. */
  async #isStored(seq: bigint): Promise<boolean> {
    const [event] = await this.#stored.after(seq - 1n)
    return event?.seq === seq
  }

  async #replay(socket: Socket, since: bigint, lastBreak: { readonly reason: ResyncReason } | null): Promise<void> {
    let position = since
    while (socket.connected) {
      if (this.#break !== null && this.#break !== lastBreak) return this.#resync(socket, this.#break.reason)
      const missing = this.#sent - position
      if (missing === 0n) return this.#goLive(socket)
      if (missing < 0n) return void this.#ahead.set(socket, position)
      if (missing > REPLAY_MAX) return this.#resync(socket, 'too_far_behind')
      const known = this.#recent.after(position, REPLAY_STEP) ?? (await this.#stored.after(position))
      if (this.#break !== lastBreak) continue
      const step = firstBytes(known)
      const last = step.at(-1)
      if (last === undefined || step[0]?.seq !== position + 1n) return this.#resync(socket, 'expired')
      await this.#sendStep(socket, step)
      position = last.seq
    }
  }

  /** Resolves when the client has taken the events, or is gone. */
  #sendStep(socket: Socket, step: readonly EncodedEvent[]): Promise<void> {
    const { conn } = socket
    this.#metrics.countReplayed(step.length)
    return new Promise((resolve) => {
      const done = (): void => {
        conn.off('close', done)
        resolve()
      }
      conn.on('close', done)
      step.forEach((event, index) => writeEncoded(conn, event, index === step.length - 1 ? done : undefined))
      if (!socket.connected) done()
    })
  }

  #take(event: LoggedEvent): void {
    this.#pending.push(encodeForAll(event))
    this.#sendPending()
  }

  /** Sends what waits, as much as this turn of the event loop may. */
  #sendPending(): void {
    let count = 0
    for (const event of this.#pending) {
      const isTurnOver = this.#writesLeft <= 0 || this.#bytesLeft <= 0
      if (isTurnOver && this.#pending.length - count <= PENDING_MAX) break
      this.#broadcast(event)
      count += 1
      this.#writesLeft -= 1 + this.#live.size
      this.#bytesLeft -= event.bytes
    }
    if (count > 0) this.#pending = this.#pending.slice(count)
    this.#turn ??= setImmediate(() => {
      this.#turn = null
      this.#writesLeft = TURN_WRITES
      this.#bytesLeft = TURN_BYTES
      if (this.#pending.length > 0) this.#sendPending()
    })
  }

  #broadcast(event: EncodedEvent): void {
    for (const socket of this.#live) writeEncoded(socket.conn, event)
    this.#sent = event.seq
    this.#recent.add(event)
    if (this.#ahead.size > 0) this.#admitReached()
  }

  /** Lets in those who were waiting for this event: the next one is the first that they do not have. */
  #admitReached(): void {
    for (const [socket, position] of this.#ahead) {
      if (position > this.#sent) continue
      this.#ahead.delete(socket)
      this.#goLive(socket)
    }
  }
}

/** As many events as a client is sent at once; at least one. */
function firstBytes(events: readonly EncodedEvent[]): readonly EncodedEvent[] {
  let bytes = 0
  const end = events.findIndex((event, index) => {
    bytes += event.bytes
    return index > 0 && bytes > REPLAY_STEP_BYTES
  })
  return end === -1 ? events : events.slice(0, end)
}
