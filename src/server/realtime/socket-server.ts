import type { IncomingMessage, Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'

import type { Socket } from 'socket.io'
import { Server } from 'socket.io'

import { toErrorAnswer } from '../../api/error-answer.js'
import type { Handshake } from '../../api/handshake.js'
import { parseHandshake } from '../../api/handshake.js'
import { SOCKET_PATH } from '../../api/socket-events.js'
import type { BalanceManager, Logger } from '../../index.js'
import { corsOrigin } from '../http/create-app.js'
import type { Caller, KeyRing } from '../key-ring.js'
import { bearerSecret } from '../key-ring.js'
import type { HostCheck } from '../host-allowed.js'
import { hasKeyInUrl } from '../key-in-url.js'
import { callerAddress } from '../limits/caller-address.js'
import type { ServerLimits } from '../limits/server-limits.js'
import type { ServerMetrics } from '../metrics/server-metrics.js'
import { isOriginAllowed } from '../origin-allowed.js'
import { within } from '../within.js'
import { answerPings } from './answer-pings.js'
import { cutConnection } from './cut-connection.js'
import { EventFeed } from './event-feed.js'
import { guardAgainstFlood } from './flood-guard.js'
import { UpdateHandler } from './update-handler.js'
import { boundWaitingWrites } from './waiting-writes.js'
import type { Connection } from './waiting-writes.js'
import { writeTogether } from './write-together.js'

const PING_INTERVAL_MS = 25_000
const PING_TIMEOUT_MS = 20_000
const MESSAGE_BYTES_MAX = 64 * 1024
/** A connection must have joined the namespace, with its key, within this time. */
const CONNECT_TIMEOUT_MS = 10_000
/** How long closing waits for the database to take the snapshots under way. */
const SAVES_TIMEOUT_MS = 10_000
/** How long closing waits for clients to take what is still to be sent to them. */
const FLUSH_TIMEOUT_MS = 1000

const refusals = {
  unauthorized: 'expected a valid API key in auth.token',
  too_many_connections: 'expected fewer connections with this API key',
  invalid_request: 'expected auth to be {token?, since?, log?, events?}, with since a sequence number',
} as const

export interface SocketServerOptions {
  readonly http: HttpServer | HttpsServer
  /** Others take upgrades on it too. */
  readonly isShared: boolean
  readonly manager: BalanceManager
  readonly keys: KeyRing
  readonly corsOrigins: readonly string[]
  readonly hostCheck: HostCheck
  readonly limits: ServerLimits
  readonly metrics: ServerMetrics
  readonly logger: Logger
}

interface Client extends Omit<Handshake, 'token'> {
  readonly caller: Caller
}

/** The Socket.IO side of the server. */
export class SocketServer {
  readonly #io: Server
  readonly #options: SocketServerOptions
  readonly #feed: EventFeed
  readonly #updates: UpdateHandler
  readonly #clients = new WeakMap<Socket, Client>()
  /** Connections that have joined, or wait to be let in. */
  readonly #joined = new WeakSet<Connection>()
  #closing: Promise<void> | null = null

  constructor(options: SocketServerOptions) {
    const { manager, limits, metrics, logger } = options
    this.#options = options
    const origin = corsOrigin(options.corsOrigins)
    this.#io = new Server(options.http, {
      path: SOCKET_PATH,
      // Serves the path with and without a slash at its end.
      addTrailingSlash: false,
      transports: ['polling', 'websocket'],
      allowEIO3: false,
      serveClient: false,
      destroyUpgrade: !options.isShared,
      pingInterval: PING_INTERVAL_MS,
      pingTimeout: PING_TIMEOUT_MS,
      maxHttpBufferSize: MESSAGE_BYTES_MAX,
      connectTimeout: CONNECT_TIMEOUT_MS,
      allowRequest: (request, decide) => this.#decide(request, decide),
      ...(origin === false ? {} : { cors: { origin } }),
    })
    this.#feed = new EventFeed({ events: manager.events, metrics, logger })
    this.#updates = new UpdateHandler({ manager, limits, metrics, logger })
    this.#io.use((socket, next) => void this.#letIn(socket, next))
    this.#io.on('connection', (socket) => this.#welcome(socket))
    this.#io.engine.on('connection', (connection: Connection) => this.#watch(connection))
    this.#io.engine.on('connection_error', ({ code, message }: { code: number; message: string }) => {
      logger.debug({ code, error: message }, 'connection refused')
    })
    options.keys.onChange(() => this.#dropInvalid())
    this.#feed.start()
  }

  /** Takes no more snapshots, lets those under way be answered, and disconnects everybody. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await within(this.#updates.close(), SAVES_TIMEOUT_MS)
    this.#feed.close()
    const sockets = [...this.#io.of('/').sockets.values()]
    const gone = sockets.map((socket) => new Promise<void>((resolve) => socket.once('disconnect', () => resolve())))
    // Closing the transport, rather than the socket, lets clients connect again by themselves.
    for (const socket of sockets) socket.conn.close()
    await within(Promise.all(gone), FLUSH_TIMEOUT_MS)
    this.#io.engine.close()
  }

  /** Decides on a handshake of either transport, before anything else is done for it. */
  #decide(request: IncomingMessage, decide: (message: string | null | undefined, success: boolean) => void): void {
    const { corsOrigins, hostCheck, limits } = this.#options
    if (this.#closing !== null) decide('closed', false)
    else if (hostCheck(request.headers) !== 'allowed') decide('forbidden_host', false)
    else if (hasKeyInUrl(request.url)) decide('key_in_url', false)
    else if (!isOriginAllowed(request.headers, corsOrigins)) decide('forbidden_origin', false)
    else if (asksForScript(request.url)) decide('forbidden_jsonp', false)
    else if (limits.connectionRefusal(request.socket.remoteAddress) !== null) decide('too_many_connections', false)
    else decide(null, true)
  }

  /** Counts and bounds what goes through a connection, whatever it is. */
  #watch(connection: Connection): void {
    const { limits, metrics, logger } = this.#options
    connection.once('close', limits.openConnection(callerAddress(connection.remoteAddress)))
    writeTogether(connection)
    boundWaitingWrites(connection, ({ packets, characters }) => {
      metrics.countSlowReader()
      logger.warn(
        { address: connection.remoteAddress, packets, characters },
        'client does not read, closing the connection',
      )
      cutConnection(connection)
    })
    guardAgainstFlood(connection, limits.snapshotsPerSecondMax, () => {
      metrics.countLimited('flood')
      logger.warn({ address: connection.remoteAddress }, 'client floods us, closing the connection')
      cutConnection(connection)
    })
  }

  async #letIn(socket: Socket, next: (refused?: Error) => void): Promise<void> {
    // Whoever asks again before the answer would join as often as asked, and get each event as often.
    if (this.#joined.has(socket.conn)) return next(refusal('invalid_request', 'expected a connection to join once'))
    this.#joined.add(socket.conn)
    let refused: Error | undefined
    try {
      refused = await this.#admit(socket)
    } catch (error) {
      refused = error instanceof Error ? error : new Error(String(error))
    }
    if (refused !== undefined) this.#joined.delete(socket.conn)
    next(refused)
  }

  /** @returns why the socket may not connect; undefined when it may. */
  async #admit(socket: Socket): Promise<Error | undefined> {
    const handshake = parseHandshake(socket.handshake.auth)
    if (handshake === null) return refusal('invalid_request')
    const { keys, limits } = this.#options
    const secret = handshake.token ?? bearerSecret(socket.handshake.headers.authorization)
    // Waits for the database where that decides, but no longer than a connection may take.
    const caller = await keys.identifyWhenKnown(secret, socket.conn)
    const limited = limits.keyLimit({ secret, caller, remoteAddress: socket.conn.remoteAddress })
    if (limited !== null) return Object.assign(new Error(limited.code), { data: toErrorAnswer(limited).body })
    if (caller === null) return refusal('unauthorized')
    if (limits.keyRefusal(caller.keyName) !== null) return refusal('too_many_connections')
    const { since, log, events } = handshake
    this.#clients.set(socket, { since, log, events, caller })
    return undefined
  }

  /** Disconnects those whose key was revoked, and those without a key once the first one was added. */
  #dropInvalid(): void {
    for (const socket of this.#io.of('/').sockets.values()) {
      const caller = this.#clients.get(socket)?.caller
      if (caller === undefined || caller.isValid()) continue
      this.#options.logger.info(
        { socketId: socket.id, key: caller.keyName },
        'key is not valid any more, disconnecting',
      )
      socket.disconnect(true)
    }
  }

  #welcome(socket: Socket): void {
    const client = this.#clients.get(socket)
    if (client === undefined) throw new Error('invariant: a socket is admitted before it connects')
    // Revoked between the handshake and now.
    if (!client.caller.isValid()) return void socket.disconnect(true)
    const { limits, metrics, logger } = this.#options
    const countOff = limits.openWithKey(client.caller.keyName)
    const fields = { socketId: socket.id, key: client.caller.keyName }
    metrics.setSockets(this.#io.of('/').sockets.size)
    logger.info(
      { ...fields, transport: socket.conn.transport.name, since: client.since?.toString() ?? null },
      'connection opened',
    )
    socket.on('disconnect', (reason) => {
      metrics.setSockets(this.#io.of('/').sockets.size)
      this.#feed.detach(socket)
      countOff()
      // There is nothing else to be had on it, and nobody would count it any more.
      if (reason === 'client namespace disconnect') socket.conn.close(true)
      logger.info({ ...fields, reason }, 'connection closed')
    })
    forgetRequest(socket)
    answerPings(socket)
    this.#updates.listen(socket, client.caller)
    void this.#feed.attach(socket, client.events && client.caller.may('read') ? client : null)
  }
}

/** The request that opened a connection is of no more use, and would be kept as long as the connection; so would its key. */
function forgetRequest(socket: Socket): void {
  Reflect.set(socket.conn, 'request', null)
  Object.assign(socket.handshake, { headers: {}, query: {}, auth: {} })
}

/**
 * Whether the answers are wanted as JavaScript, which a page of any site could run, and so read: browsers send no origin with
 * a request for a script.
 */
function asksForScript(url: string | undefined): boolean {
  return new URLSearchParams(url?.split('?').slice(1).join('?')).has('j')
}

function refusal(code: keyof typeof refusals, error: string = refusals[code]): Error {
  return Object.assign(new Error(code), { data: { success: false, error, code } })
}
