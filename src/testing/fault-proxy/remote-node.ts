import { once } from 'node:events'

import WebSocket from 'ws'

import type { NodeAnswer, NodeCall, NodeTopic, RpcNode } from '../rpc-node.js'
import { isRecord } from './block-parameter.js'

export interface RemoteNodeOptions {
  readonly rpcUrl: string
  readonly wsUrl: string
}

export interface RemoteNode extends RpcNode {
  /** Resolves once heads are told of: one that is mined afterwards is not missed. */
  readonly ready: Promise<void>
  close(): void
}

type Listener = (result: unknown) => void

/** A real node over the network, such as anvil, as the servers of this folder serve it. */
export function remoteNode({ rpcUrl, wsUrl }: RemoteNodeOptions): RemoteNode {
  const listeners: Record<NodeTopic, Set<Listener>> = { newHeads: new Set(), logs: new Set() }
  const topics: readonly NodeTopic[] = ['newHeads', 'logs']
  const topicOf = new Map<unknown, NodeTopic>()
  const socket = new WebSocket(wsUrl)
  let onReady: () => void = () => undefined
  const ready = new Promise<void>((resolve, reject) => {
    onReady = resolve
    socket.on('error', reject)
  })
  ready.catch(() => undefined)

  socket.on('message', (data: Buffer) => {
    const frame: unknown = JSON.parse(data.toString('utf8'))
    if (!isRecord(frame)) return
    const topic = typeof frame['id'] === 'number' ? topics[frame['id']] : undefined
    if (topic !== undefined) {
      topicOf.set(frame['result'], topic)
      if (topicOf.size === topics.length) onReady()
    }
    const { params } = frame
    if (!isRecord(params)) return
    const told = topicOf.get(params['subscription'])
    if (told !== undefined) for (const listener of listeners[told]) listener(params['result'])
  })
  void once(socket, 'open').then(
    () => {
      for (const [id, topic] of topics.entries()) {
        const params = topic === 'logs' ? [topic, {}] : [topic]
        socket.send(JSON.stringify({ jsonrpc: '2.0', id, method: 'eth_subscribe', params }))
      }
    },
    () => undefined,
  )

  return {
    ready,
    answer: (call) => post(rpcUrl, call),
    subscribe(topic, listener) {
      listeners[topic].add(listener)
      return () => listeners[topic].delete(listener)
    },
    close: () => socket.terminate(),
  }
}

async function post(rpcUrl: string, { method, params }: NodeCall): Promise<NodeAnswer> {
  try {
    const response = await fetch(rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    })
    const answer: unknown = await response.json()
    if (isRecord(answer) && isNodeError(answer['error'])) return { error: answer['error'] }
    if (isRecord(answer) && answer['result'] !== undefined) return { result: answer['result'] }
    return { error: { code: -32_603, message: 'the node answered with neither a result nor an error' } }
  } catch {
    return { error: { code: -32_603, message: 'the node does not answer' } }
  }
}

function isNodeError(error: unknown): error is { readonly code: number; readonly message: string } {
  return isRecord(error) && typeof error['code'] === 'number' && typeof error['message'] === 'string'
}
