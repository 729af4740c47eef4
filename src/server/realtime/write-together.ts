import { tcpSocketOf, webSocketOf } from './transport-sockets.js'
import type { Connection } from './waiting-writes.js'

/**
 * Hands packets that waited together to the system together: a call for each of them would cost more than everything else
 * that is done for it.
 */
export function writeTogether(connection: Connection): void {
  connection.on('flush', (packets: readonly unknown[]) => {
    if (packets.length === 1) return
    const webSocket = webSocketOf(connection.transport)
    const tcpSocket = webSocket === null ? null : tcpSocketOf(webSocket)
    if (tcpSocket === null) return
    tcpSocket.cork()
    // Announced as soon as the transport has got them all.
    connection.once('drain', () => tcpSocket.uncork())
  })
}
