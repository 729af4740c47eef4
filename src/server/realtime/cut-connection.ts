import { webSocketOf } from './transport-sockets.js'
import type { Connection } from './waiting-writes.js'

/** Ends a connection at once: what waits is thrown away, and nothing is read from it any more. */
export function cutConnection(connection: Connection): void {
  const socket = webSocketOf(connection.transport)
  connection.close(true)
  // It would wait for its peer to agree, and a peer that floods or does not read never does.
  socket?.terminate()
}
