import type { Socket } from 'socket.io'

/** Packets that may wait for one reader. */
export const WAITING_PACKETS_MAX = 2000

/** Packets waiting to be written to this client. The byte count of the socket beneath stays 0 even when nobody reads. */
export function waitingPackets(socket: Socket): number {
  // Private in the types, but the one place that tells: engine.io documents it for this use.
  const buffer: unknown = Reflect.get(socket.conn, 'writeBuffer')
  return Array.isArray(buffer) ? buffer.length : 0
}

/** Resolves when the client has taken what was sent to it, or is gone. */
export async function drained(socket: Socket, packetsMax: number): Promise<void> {
  while (socket.connected && waitingPackets(socket) > packetsMax) {
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        socket.conn.off('drain', settle)
        socket.conn.off('close', settle)
        resolve()
      }
      socket.conn.on('drain', settle)
      socket.conn.on('close', settle)
    })
  }
}
