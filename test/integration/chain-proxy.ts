import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { WebSocket, WebSocketServer } from 'ws'

export interface ProxiedCall {
  readonly method: string
  readonly params: readonly unknown[]
}

/** What a node answers to one call. */
export type ProxiedAnswer =
  | { readonly result: unknown }
  | { readonly error: { readonly code: number; readonly message: string } }

/** Answers a call in the node's stead, or lets the node answer. */
export type Intercept = (
  call: ProxiedCall,
  forward: (call: ProxiedCall) => Promise<ProxiedAnswer>,
) => Promise<ProxiedAnswer> | ProxiedAnswer

export interface RpcProxy {
  readonly url: string
  readonly wsUrl: string
  /** Calls by method, each item of a batch by itself. */
  readonly calls: ReadonlyMap<string, number>
  /** WebSocket connections that are open now, and all there ever were. */
  readonly sockets: { readonly open: number; readonly total: number }
  /** From now on each call goes through this; null lets all through. */
  intercept(intercept: Intercept | null): void
  /** The next HTTP requests get this status and no answer. */
  refuse(requests: number, status: number): void
  refused(): number
  cutSockets(): void
  count(): number
  /** HTTP requests, whatever was in them. */
  httpRequests(): number
  close(): Promise<void>
}

interface WireCall extends ProxiedCall {
  readonly id: unknown
}

/** A server in front of a node that counts what passes and spoils what it is told to. */
export async function startProxy(target: { readonly rpcUrl: string; readonly wsUrl: string }): Promise<RpcProxy> {
  const calls = new Map<string, number>()
  let intercept: Intercept | null = null
  let refusals: number[] = []
  let refused = 0
  let sockets = 0
  let httpRequests = 0

  const forward = async (call: ProxiedCall): Promise<ProxiedAnswer> => {
    const [answer] = await post(target.rpcUrl, [{ ...call, id: 1 }])
    return answer ?? { error: { code: -32_603, message: 'no answer' } }
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    httpRequests += 1
    const parsed = JSON.parse(await readText(request)) as WireCall | WireCall[]
    const list = Array.isArray(parsed) ? parsed : [parsed]
    for (const { method } of list) calls.set(method, (calls.get(method) ?? 0) + 1)
    const [status, ...rest] = refusals
    if (status !== undefined) {
      refusals = rest
      refused += 1
      response.writeHead(status).end('the proxy refuses')
      return
    }
    const own = intercept
    const answers =
      own === null ? await post(target.rpcUrl, list) : await Promise.all(list.map(async (call) => own(call, forward)))
    const wire = list.map(({ id }, index) => ({ jsonrpc: '2.0', ...answers[index], id }))
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify(Array.isArray(parsed) ? wire : wire[0]))
  }

  const http = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy())
  })
  const ws = new WebSocketServer({ server: http })
  ws.on('connection', (client) => {
    sockets += 1
    bridge(client, target.wsUrl)
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const { port } = http.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}`,
    wsUrl: `ws://127.0.0.1:${port}`,
    calls,
    get sockets() {
      return { open: ws.clients.size, total: sockets }
    },
    intercept(next) {
      intercept = next
    },
    refuse(requests, status) {
      refusals = Array.from({ length: requests }, () => status)
    },
    refused: () => refused,
    cutSockets() {
      for (const client of ws.clients) client.terminate()
    },
    httpRequests: () => httpRequests,
    count: () => [...calls.values()].reduce((sum, value) => sum + value, 0),
    async close() {
      for (const client of ws.clients) client.terminate()
      ws.close()
      http.closeAllConnections()
      http.close()
      await once(http, 'close')
    },
  }
}

/** Passes frames both ways, and ends one side with the other. */
function bridge(client: WebSocket, wsUrl: string): void {
  const node = new WebSocket(wsUrl)
  const opened = once(node, 'open').catch(() => undefined)
  client.on('message', (data: Buffer) => void opened.then(() => node.send(data.toString('utf8'))))
  node.on('message', (data: Buffer) => client.send(data.toString('utf8')))
  node.on('error', () => client.terminate())
  client.on('close', () => node.terminate())
  node.on('close', () => client.terminate())
}

async function post(url: string, calls: readonly WireCall[]): Promise<ProxiedAnswer[]> {
  const body = calls.map(({ method, params }, index) => ({ jsonrpc: '2.0', id: index, method, params }))
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const answers = (await response.json()) as (ProxiedAnswer & { readonly id: number })[]
  return answers.toSorted((a, b) => a.id - b.id)
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
