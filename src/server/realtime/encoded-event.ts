import { encodeLoggedEvent } from '../../api/event-wire.js'
import type { LoggedEvent } from '../../index.js'
import type { Connection } from './waiting-writes.js'

/** An event as it goes over the wire, encoded once for all who get it. */
export interface EncodedEvent {
  readonly seq: bigint
  /** A packet of Socket.IO in the namespace `/`. */
  readonly text: string
  /** For the connection: the WebSocket frame of the text, the same for every client. */
  readonly options: { readonly compress: true; readonly wsPreEncodedFrame: readonly [Buffer] }
  /** What it takes in memory, roughly. */
  readonly bytes: number
}

/** What an event takes besides its text and its frame. */
const OVERHEAD_BYTES = 300

export function encodeForAll(event: LoggedEvent): EncodedEvent {
  const { name, payload } = encodeLoggedEvent(event)
  // "2" stands for an event. There is nothing binary in ours, so that it is plain JSON.
  const text = `2${JSON.stringify([name, payload])}`
  const frame = webSocketFrame(text)
  return {
    seq: event.seq,
    text,
    options: { compress: true, wsPreEncodedFrame: [frame] },
    bytes: OVERHEAD_BYTES + text.length + frame.length,
  }
}

/** @param onTaken called when the system has taken it, and everything before it. */
export function writeEncoded(connection: Connection, { text, options }: EncodedEvent, onTaken?: () => void): void {
  connection.write(text, options, onTaken)
}

/** A whole unmasked text frame (RFC 6455, 5.2) of an Engine.IO message, which begins with "4". */
function webSocketFrame(text: string): Buffer {
  const length = Buffer.byteLength(text) + 1
  const headerLength = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(headerLength + length)
  frame[0] = 0x81
  if (headerLength === 2) {
    frame[1] = length
  } else if (headerLength === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  frame.write('4', headerLength, 'latin1')
  frame.write(text, headerLength + 1, 'utf8')
  return frame
}
