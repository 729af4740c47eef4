import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { WebSocketServer } from 'ws'
import type { RawData, WebSocket } from 'ws'

import type { HttpOutcome, NodeFrontend } from '../rpc-node.js'
import { ModelChainError } from './model-chain-error.js'

const BODY_BYTES_MAX = 8 * 1024 * 1024

/** A node's frontend behind a real port of this machine. */
export interface ServedFrontend {
  readonly rpcUrl: string
  readonly wsUrl: string
  /** Cuts every connection and frees the port. */
  close(): Promise<void>
}

/** Serves HTTP and WebSocket on one free port of 127.0.0.1. */
export async function serveFrontend(frontend: NodeFrontend): Promise<ServedFrontend> {
  const server = createServer((request, response) => {
    answer(frontend, request, response).catch(() => response.destroy())
  })
  const sockets = new WebSocketServer({ server, maxPayload: BODY_BYTES_MAX, perMessageDeflate: false })
  sockets.on('connection', (socket) => attach(frontend, socket))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new ModelChainError('expected a port, got none')
  const host = `127.0.0.1:${address.port}`
  return {
    rpcUrl: `http://${host}`,
    wsUrl: `ws://${host}`,
    close: async () => {
      for (const socket of sockets.clients) socket.terminate()
      sockets.close()
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve())
      })
      server.closeAllConnections()
      await closed
    },
  }
}

function attach(frontend: NodeFrontend, socket: WebSocket): void {
  const connection = frontend.connect({ send: (text) => socket.send(text), end: () => socket.terminate() })
  socket.on('message', (data: RawData) => {
    const text = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)
    connection.receive(text.toString('utf8'))
  })
  socket.on('error', () => socket.terminate())
  socket.on('close', () => connection.close())
}

async function answer(frontend: NodeFrontend, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) {
      response.writeHead(413).end('request entity too large')
      return
    }
    chunks.push(chunk)
  }
  send(await frontend.http(Buffer.concat(chunks).toString('utf8')), response)
}

function send(outcome: HttpOutcome, response: ServerResponse): void {
  switch (outcome.kind) {
    case 'reply':
      response.writeHead(outcome.status, { ...outcome.headers }).end(outcome.body)
      return
    case 'hang':
      return
    case 'reset':
      if (outcome.body === undefined) {
        response.destroy()
        return
      }
      // More is promised than comes, so that the client sees the cut.
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': outcome.body.length + 1000 })
      response.write(outcome.body, () => response.destroy())
  }
}
