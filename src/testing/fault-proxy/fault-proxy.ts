import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'

import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'

import type { Clock } from '../../model/clock.js'
import { createRandom } from '../random.js'
import type { Random } from '../random.js'
import type { HttpOutcome, NodeConnection, RpcNode } from '../rpc-node.js'
import type { Fault } from './fault.js'
import { createFaultyNode } from './faulty-node.js'
import type { FaultyNode } from './faulty-node.js'
import { remoteNode } from './remote-node.js'

export interface FaultProxyOptions {
  /** What is to fail: a node of this process, or one at a port. */
  readonly target: RpcNode | { readonly rpcUrl: string; readonly wsUrl: string }
  readonly faults?: readonly Fault[]
  readonly random?: Random
  readonly clock?: Clock
}

export interface FaultProxy extends Pick<FaultyNode, 'counts' | 'calls' | 'inject' | 'clear'> {
  readonly rpcUrl: string
  readonly wsUrl: string
  /** WebSocket connections that are open now, and all there ever were. */
  readonly sockets: { readonly open: number; readonly total: number }
  cutSockets(): void
  close(): Promise<void>
}

/** Serves a node over HTTP and WebSocket at a port of this machine, and spoils what it is told to. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const { target, faults = [], random = createRandom(1), clock } = options
  const remote = 'rpcUrl' in target ? remoteNode(target) : null
  const node = remote ?? (target as RpcNode)
  await remote?.ready
  const frontend = createFaultyNode({ node, faults, random, ...(clock === undefined ? {} : { clock }) })

  const server = createServer((request, response) => {
    serve(frontend, request, response).catch(() => response.destroy())
  })
  const sockets = new WebSocketServer({ noServer: true })
  let total = 0
  server.on('upgrade', (request, duplex, head) => {
    if (acceptSocket({ frontend, sockets, request, duplex, head })) total += 1
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const cutSockets = (): void => {
    for (const client of sockets.clients) client.terminate()
  }

  return {
    rpcUrl: `http://127.0.0.1:${port}`,
    wsUrl: `ws://127.0.0.1:${port}`,
    counts: frontend.counts,
    calls: frontend.calls,
    get sockets() {
      return { open: sockets.clients.size, total }
    },
    inject: (fault) => frontend.inject(fault),
    clear: () => frontend.clear(),
    cutSockets,
    async close() {
      cutSockets()
      sockets.close()
      remote?.close()
      await closeServer(server)
    },
  }
}

async function closeServer(server: Server): Promise<void> {
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
}

async function serve(frontend: FaultyNode, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  deliver(await frontend.http(Buffer.concat(chunks).toString('utf8')), response)
}

function deliver(outcome: HttpOutcome, response: ServerResponse): void {
  switch (outcome.kind) {
    case 'reply':
      response.writeHead(outcome.status, outcome.headers).end(outcome.body)
      return
    case 'hang':
      return
    case 'reset':
      if (outcome.body === undefined) {
        response.destroy()
        return
      }
      // More is announced than comes, so that the cut is in the middle.
      response.writeHead(200, { 'content-length': Buffer.byteLength(outcome.body) + 1 })
      response.write(outcome.body, () => response.destroy())
      return
  }
}

interface Upgrade {
  readonly frontend: FaultyNode
  readonly sockets: WebSocketServer
  readonly request: IncomingMessage
  readonly duplex: Duplex
  readonly head: Buffer
}

/** @returns whether the connection was accepted; the frontend may end it before it begins. */
function acceptSocket({ frontend, sockets, request, duplex, head }: Upgrade): boolean {
  let client: WebSocket | null = null
  let ended = false
  const connection: NodeConnection = frontend.connect({
    send: (text) => client?.send(text),
    end: () => {
      ended = true
      client?.terminate()
    },
  })
  if (ended) {
    duplex.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
    return false
  }
  sockets.handleUpgrade(request, duplex, head, (accepted) => {
    client = accepted
    accepted.on('message', (data: Buffer) => connection.receive(data.toString('utf8')))
    accepted.on('error', () => accepted.terminate())
    accepted.on('close', () => connection.close())
  })
  return true
}
