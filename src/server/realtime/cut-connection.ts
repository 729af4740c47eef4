import type { Connection } from './waiting-writes.js'

/** Ends a connection at once: what waits is thrown away, and nothing is read from it any more. */
export function cutConnection(connection: Connection): void {
  const { transport } = connection
  connection.close(true)
  // A WebSocket would wait for its peer to agree, and a peer that floods or does not read never does.
  const socket: unknown = Reflect.get(transport, 'socket')
  if (typeof socket !== 'object' || socket === null) return
  const terminate: unknown = Reflect.get(socket, 'terminate')
  if (typeof terminate === 'function') Reflect.apply(terminate, socket, [])
}
