import type { Socket } from 'socket.io'

/** The connection beneath a Socket.IO socket. */
export type Connection = Socket['conn']

/**
 * Packets that may wait for one reader. A thousand snapshots of one connection may be answered in one turn, twice each, and
 * be pushed to it besides: that alone must not look like somebody who does not read.
 */
const WAITING_PACKETS_MAX = 10_000
/** Characters that may wait for one reader: each is kept as text and as bytes, unless others wait for the same. */
const WAITING_CHARACTERS_MAX = 4 * 1024 * 1024

/** What waits to be taken by one client. */
export interface Waiting {
  readonly packets: number
  readonly characters: number
}

/**
 * Counts what waits to be taken by one client, and tells when it is too much. The byte count of the TCP socket beneath does
 * not help: it stays 0 while packets wait above it.
 *
 * What is written waits in the connection; once the transport is free, all of it is handed over together.
 *
 * @param onTooMuch called once, not from within a write.
 */
export function boundWaitingWrites(connection: Connection, onTooMuch: (waiting: Waiting) => void): void {
  let queuedPackets = 0
  let queuedCharacters = 0
  let handedPackets = 0
  let handedCharacters = 0
  let told = false
  connection.on('packetCreate', ({ data }: { readonly data?: unknown }) => {
    queuedPackets += 1
    if (typeof data === 'string') queuedCharacters += data.length
    if (connection.transport.writable) return
    const packets = queuedPackets + handedPackets
    const characters = queuedCharacters + handedCharacters
    if (told || (packets <= WAITING_PACKETS_MAX && characters <= WAITING_CHARACTERS_MAX)) return
    told = true
    queueMicrotask(() => onTooMuch({ packets, characters }))
  })
  // The transport is free only when it is done with what it got before.
  connection.on('flush', () => {
    handedPackets = queuedPackets
    handedCharacters = queuedCharacters
    queuedPackets = 0
    queuedCharacters = 0
  })
}
