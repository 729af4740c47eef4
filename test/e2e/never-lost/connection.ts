import { setTimeout as sleep } from 'node:timers/promises'

import { io } from 'socket.io-client'
import type { Socket } from 'socket.io-client'

export type Transports = readonly ('polling' | 'websocket')[]

const RETRY_MS = 60
const CONNECT_TIMEOUT_MS = 4000

export interface ConnectionOptions {
  /** Addresses of the same service; where one does not answer, the next is tried. */
  readonly urls: readonly string[]
  readonly transports: Transports
  /** What goes into the handshake, asked anew for every connection. */
  readonly auth: () => Readonly<Record<string, unknown>>
  /** Called before the socket connects, so that nothing is missed. */
  readonly onSocket: (socket: Socket) => void
  readonly onDown: (socket: Socket, reason: string) => void
}

/**
 * Keeps one connection to a service. Each connection is a socket of its own, so that nothing is ever sent again behind
 * our back.
 */
export class Connection {
  readonly #options: ConnectionOptions
  #place = 0
  #socket: Socket | null = null
  #closed = false
  connections = 0

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#open()
  }

  /** The socket while it is connected. */
  get socket(): Socket | null {
    return this.#socket?.connected === true ? this.#socket : null
  }

  close(): void {
    this.#closed = true
    this.#socket?.disconnect()
  }

  /** Leaves by itself and comes back; does nothing while it is not there. */
  leave(): void {
    this.socket?.disconnect()
  }

  #open(): void {
    const { urls, transports, auth, onSocket } = this.#options
    const socket = io(urls[this.#place % urls.length], {
      path: '/api/socket.io',
      transports: [...transports],
      forceNew: true,
      reconnection: false,
      autoConnect: false,
      timeout: CONNECT_TIMEOUT_MS,
      auth: auth(),
    })
    this.#socket = socket
    socket.on('connect', () => (this.connections += 1))
    socket.on('connect_error', (error) => {
      this.#place += 1
      this.#again(socket, error.message)
    })
    socket.on('disconnect', (reason) => this.#again(socket, reason))
    onSocket(socket)
    socket.connect()
  }

  #again(socket: Socket, reason: string): void {
    if (socket !== this.#socket) return
    this.#socket = null
    socket.close()
    this.#options.onDown(socket, reason)
    if (!this.#closed) void sleep(RETRY_MS).then(() => (this.#closed ? undefined : this.#open()))
  }
}
