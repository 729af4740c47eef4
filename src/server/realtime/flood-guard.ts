import { performance } from 'node:perf_hooks'

import { TokenBucket } from '../limits/token-bucket.js'
import { webSocketOf } from './transport-sockets.js'
import type { Connection } from './waiting-writes.js'

/** Packets a second besides the snapshots that a connection may send: pings, and events we do not know. */
const OTHER_PACKETS_PER_SECOND = 1000
const BURST_SECONDS = 2

/**
 * Tells when a connection sends more than anybody has a reason to: packets of whatever kind, and the pings of WebSocket,
 * which are answered beneath us.
 *
 * @param snapshotsPerSecond what a connection may report at most
 * @param onFlood called once for each packet too many
 */
export function guardAgainstFlood(connection: Connection, snapshotsPerSecond: number, onFlood: () => void): void {
  // Twice: what is refused is refused with an answer, up to a point.
  const perSecond = 2 * snapshotsPerSecond + OTHER_PACKETS_PER_SECOND
  const bucket = new TokenBucket({ perSecond, burst: perSecond * BURST_SECONDS }, performance.now())
  const count = (): void => {
    if (bucket.take(performance.now()) > 0) onFlood()
  }
  connection.on('packet', count)
  webSocketOf(connection.transport)?.on('ping', count)
  connection.on('upgrade', (transport: object) => webSocketOf(transport)?.on('ping', count))
}
