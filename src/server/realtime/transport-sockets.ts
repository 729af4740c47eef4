import type { Socket as TcpSocket } from 'node:net'
import { Socket } from 'node:net'

import { WebSocket } from 'ws'

/** The WebSocket of a transport; null when it is no WebSocket. */
export function webSocketOf(transport: object): WebSocket | null {
  const socket: unknown = Reflect.get(transport, 'socket')
  return socket instanceof WebSocket ? socket : null
}

/** The TCP socket beneath a WebSocket, while it is open. */
export function tcpSocketOf(socket: WebSocket): TcpSocket | null {
  const beneath: unknown = Reflect.get(socket, '_socket')
  return beneath instanceof Socket ? beneath : null
}
