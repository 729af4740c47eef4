import WebSocket from 'ws'

const HANDSHAKE_TIMEOUT_MS = 10_000
const FRAME_BYTES_MAX = 1024 * 1024

/** An open or opening WebSocket to a node, as far as it is used. */
export interface NodeSocket {
  on(event: 'open', listener: () => void): unknown
  on(event: 'message', listener: (data: Buffer) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'close', listener: () => void): unknown
  send(text: string): void
  /** Ends the connection at once; `close` follows. */
  terminate(): void
}

/** How nodes are reached: over the network, or within one process in a simulation. */
export interface NodeTransport {
  fetch(url: string, init: RequestInit): Promise<Response>
  openSocket(url: string): NodeSocket
}

export const networkTransport: NodeTransport = {
  fetch: (url, init) => fetch(url, init),
  openSocket: (url) =>
    new WebSocket(url, {
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      maxPayload: FRAME_BYTES_MAX,
      perMessageDeflate: false,
      followRedirects: false,
    }),
}
