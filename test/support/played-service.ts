import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import type { Socket } from 'socket.io'
import { Server } from 'socket.io'

/** A Socket.IO service that says and does what a test tells it to: what the real one does only when it is ill. */
export interface PlayedService {
  readonly url: string
  /** The `auth` of each handshake so far. */
  readonly handshakes: readonly Record<string, unknown>[]
  close(): Promise<void>
}

export interface PlayedServiceOptions {
  /** Why a handshake is refused; null lets it in. */
  readonly admit?: (handshake: Record<string, unknown>, attempt: number) => Record<string, unknown> | null
  /** Called for each connection, which nobody has greeted yet. */
  readonly onConnection: (socket: Socket, handshake: Record<string, unknown>) => void
}

export async function startPlayedService(options: PlayedServiceOptions): Promise<PlayedService> {
  const http = createServer()
  const io = new Server(http, { path: '/api/socket.io', serveClient: false })
  const handshakes: Record<string, unknown>[] = []
  io.use((socket, next) => {
    handshakes.push(socket.handshake.auth)
    const refusal = options.admit?.(socket.handshake.auth, handshakes.length) ?? null
    next(refusal === null ? undefined : Object.assign(new Error('refused'), { data: refusal }))
  })
  io.on('connection', (socket) => options.onConnection(socket, socket.handshake.auth))
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    handshakes,
    async close() {
      await io.close()
    },
  }
}

/** The greeting of a service. */
export function greet(socket: Socket, seq: number, log = 'a-log'): void {
  socket.emit('connected', {
    message: 'Connected to balance snapshot server',
    socketId: socket.id,
    timestamp: new Date().toISOString(),
    seq,
    log,
  })
}
