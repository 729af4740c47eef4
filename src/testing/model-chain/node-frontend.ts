import type { NodeAnswer, NodeConnection, NodeFrontend, NodeTopic, RpcNode } from '../rpc-node.js'
import { matchesLog, readLogFilter } from './log-filter.js'
import { NodeRefusal } from './node-refusal.js'

const PARSE_ERROR = -32700
const INVALID_REQUEST = -32600
const INVALID_PARAMS = -32602
const METHOD_NOT_FOUND = -32601
const NOT_FOUND = -32000
/** Geth's own limit for the items of one batch. */
const BATCH_MAX = 1000

export interface FrontendOptions {
  /** False for a node that takes one call in each request only. */
  readonly batch?: boolean
  readonly batchMax?: number
}

/** JSON-RPC framing around a node: single calls, batches, and subscriptions over a WebSocket. */
export function nodeFrontend(node: RpcNode, options: FrontendOptions = {}): NodeFrontend {
  const answerText = async (text: string, subscriptions: Subscriptions | null): Promise<string> => {
    let request: unknown
    try {
      request = JSON.parse(text)
    } catch {
      return frame(null, refusal(PARSE_ERROR, 'parse error'))
    }
    if (!Array.isArray(request)) return answerOne(node, request, subscriptions)
    const calls = request as readonly unknown[]
    if (options.batch === false) return frame(null, refusal(INVALID_REQUEST, 'batch requests are not supported'))
    if (calls.length === 0) return frame(null, refusal(INVALID_REQUEST, 'empty batch'))
    if (calls.length > (options.batchMax ?? BATCH_MAX)) return frame(null, refusal(INVALID_REQUEST, 'batch too large'))
    const answers: string[] = []
    for (const call of calls) answers.push(await answerOne(node, call, subscriptions))
    return `[${answers.join(',')}]`
  }
  return {
    http: async (body) => {
      const headers = { 'content-type': 'application/json' }
      return { kind: 'reply', status: 200, headers, body: await answerText(body, null) }
    },
    connect: (peer) => connect(node, peer, answerText),
  }
}

function connect(
  node: RpcNode,
  peer: { send(text: string): void; end(): void },
  answerText: (text: string, subscriptions: Subscriptions) => Promise<string>,
): NodeConnection {
  const subscriptions = new Subscriptions(node, (text) => peer.send(text))
  return {
    receive: (text) => {
      void (async () => {
        const answer = await answerText(text, subscriptions)
        if (subscriptions.open) peer.send(answer)
      })()
    },
    close: () => subscriptions.close(),
  }
}

/** The subscriptions of one connection. */
class Subscriptions {
  readonly #node: RpcNode
  readonly #send: (text: string) => void
  readonly #ends = new Map<string, () => void>()
  #count = 0
  open = true

  constructor(node: RpcNode, send: (text: string) => void) {
    this.#node = node
    this.#send = send
  }

  subscribe(params: readonly unknown[]): NodeAnswer {
    const [topic, filter] = params
    if (topic !== 'newHeads' && topic !== 'logs') {
      return refusal(METHOD_NOT_FOUND, `no "${String(topic)}" subscription in eth namespace`)
    }
    const accepts = topic === 'logs' && filter !== undefined ? logTest(filter) : (): boolean => true
    this.#count += 1
    const subscription = `0x${this.#count.toString(16)}`
    this.#ends.set(subscription, this.#follow(topic, subscription, accepts))
    return { result: subscription }
  }

  unsubscribe(params: readonly unknown[]): NodeAnswer {
    const end = this.#ends.get(String(params[0]))
    if (end === undefined) return refusal(NOT_FOUND, 'subscription not found')
    end()
    this.#ends.delete(String(params[0]))
    return { result: true }
  }

  close(): void {
    this.open = false
    for (const end of this.#ends.values()) end()
    this.#ends.clear()
  }

  #follow(topic: NodeTopic, subscription: string, accepts: (result: unknown) => boolean): () => void {
    return this.#node.subscribe(topic, (result) => {
      if (!this.open || !accepts(result)) return
      const params = { subscription, result }
      this.#send(JSON.stringify({ jsonrpc: '2.0', method: 'eth_subscription', params }))
    })
  }
}

function logTest(value: unknown): (result: unknown) => boolean {
  const filter = readLogFilter(value)
  return (result) => {
    const log = result as { readonly address: string; readonly topics: readonly string[] }
    return matchesLog(filter, log)
  }
}

async function answerOne(node: RpcNode, request: unknown, subscriptions: Subscriptions | null): Promise<string> {
  if (typeof request !== 'object' || request === null) return frame(null, refusal(INVALID_REQUEST, 'invalid request'))
  const { id, method, params = [] } = request as Readonly<Record<string, unknown>>
  if (typeof method !== 'string') return frame(id, refusal(INVALID_REQUEST, 'invalid request'))
  if (!Array.isArray(params)) return frame(id, refusal(INVALID_PARAMS, 'non-array args'))
  const list = params as readonly unknown[]
  try {
    if (method === 'eth_subscribe' || method === 'eth_unsubscribe') {
      if (subscriptions === null) return frame(id, refusal(METHOD_NOT_FOUND, 'notifications not supported'))
      return frame(id, method === 'eth_subscribe' ? subscriptions.subscribe(list) : subscriptions.unsubscribe(list))
    }
    return frame(id, await node.answer({ method, params: list }))
  } catch (error) {
    if (error instanceof NodeRefusal) return frame(id, refusal(error.rpcCode, error.message))
    throw error
  }
}

function refusal(code: number, message: string): NodeAnswer {
  return { error: { code, message } }
}

function frame(id: unknown, answer: NodeAnswer): string {
  return JSON.stringify({ jsonrpc: '2.0', id: id ?? null, ...answer })
}
