import { Socket } from 'node:net'

/** What we need of the WebSocket of a transport. Engine.IO brings a class of its own. */
export interface TransportSocket {
  /** Ends it without asking the other end. */
  terminate(): void
  on(name: 'ping', handle: () => void): unknown
}

/** The WebSocket of a transport; null when it is no WebSocket. */
export function webSocketOf(transport: object): TransportSocket | null {
  const socket: unknown = Reflect.get(transport, 'socket')
  return isTransportSocket(socket) ? socket : null
}

/** The TCP socket beneath a WebSocket, while it is open. */
export function tcpSocketOf(socket: TransportSocket): Socket | null {
  const beneath: unknown = Reflect.get(socket, '_socket')
  return beneath instanceof Socket ? beneath : null
}

function isTransportSocket(value: unknown): value is TransportSocket {
  if (typeof value !== 'object' || value === null) return false
  return typeof Reflect.get(value, 'terminate') === 'function' && typeof Reflect.get(value, 'on') === 'function'
}
