import type { Clock } from '../../model/clock.js'
import type { NodeAnswer, NodeCall, NodeConnection, NodeTopic, RpcNode } from '../rpc-node.js'
import { isRecord } from './block-parameter.js'
import type { FaultPlan } from './fault.js'
import { HeadStream } from './head-stream.js'

export interface FaultyConnectionOptions {
  readonly node: RpcNode
  readonly plan: FaultPlan
  readonly clock: Clock
  readonly peer: { send(text: string): void; end(): void }
  readonly answer: (call: NodeCall) => Promise<NodeAnswer>
}

/** Frames that are none: of another form, of another protocol, or about nothing that was asked for. */
const garbage = [
  'not json',
  '[]',
  '{}',
  'null',
  '{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0xffff","result":null}}',
  '{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0xffff","result":{"number":"0x","hash":1}}}',
  '{"jsonrpc":"2.0","id":987654321,"result":"0x1"}',
]

/** One WebSocket connection to a node that is made to fail. */
export class FaultyConnection implements NodeConnection {
  readonly #options: FaultyConnectionOptions
  readonly #subscriptions = new Map<string, () => void>()
  #nextSubscription = 1
  #silent = false
  #closed = false

  constructor(options: FaultyConnectionOptions) {
    this.#options = options
    for (const refusal of options.plan.strikes(['socket-refused'], [])) {
      refusal.took()
      this.#end()
    }
  }

  receive(text: string): void {
    let frame: unknown
    try {
      frame = JSON.parse(text)
    } catch {
      this.#send({ jsonrpc: '2.0', id: null, error: { code: -32_700, message: 'parse error' } })
      return
    }
    void this.#onFrame(frame)
  }

  close(): void {
    this.#closed = true
    for (const unsubscribe of this.#subscriptions.values()) unsubscribe()
    this.#subscriptions.clear()
  }

  async #onFrame(frame: unknown): Promise<void> {
    if (Array.isArray(frame)) this.#send(await Promise.all(frame.map((item: unknown) => this.#answer(item))))
    else this.#send(await this.#answer(frame))
  }

  async #answer(request: unknown): Promise<unknown> {
    if (!isRecord(request) || typeof request['method'] !== 'string') {
      return { jsonrpc: '2.0', id: null, error: { code: -32_600, message: 'invalid request' } }
    }
    const { id, method, params } = request
    const call: NodeCall = { method, params: Array.isArray(params) ? (params as unknown[]) : [] }
    return {
      jsonrpc: '2.0',
      id,
      ...(await this.#options.answer(call).then((answer) => this.#subscribed(call, answer))),
    }
  }

  /** Subscriptions are of the connection, so they are answered here, unless a fault did it before. */
  #subscribed(call: NodeCall, answer: NodeAnswer): NodeAnswer {
    if ('error' in answer) return answer
    if (call.method === 'eth_unsubscribe') return { result: this.#unsubscribe(String(call.params[0])) }
    if (call.method !== 'eth_subscribe') return answer
    const [topic] = call.params
    if (topic !== 'newHeads' && topic !== 'logs') return { error: { code: -32_602, message: 'invalid subscription' } }
    return { result: this.#subscribe(topic) }
  }

  #subscribe(topic: NodeTopic): string {
    const id = `0x${this.#nextSubscription.toString(16)}`
    this.#nextSubscription += 1
    const notify = (result: unknown): void =>
      this.#push({ jsonrpc: '2.0', method: 'eth_subscription', params: { subscription: id, result } })
    const { node, plan, clock } = this.#options
    if (topic === 'logs') {
      this.#subscriptions.set(
        id,
        node.subscribe('logs', (log) => this.#pushLog(log, notify)),
      )
      return id
    }
    const heads = new HeadStream({ plan, clock, send: notify })
    const unsubscribe = node.subscribe('newHeads', (head) => heads.push(head))
    this.#subscriptions.set(id, () => {
      unsubscribe()
      heads.close()
    })
    return id
  }

  #unsubscribe(id: string): boolean {
    this.#subscriptions.get(id)?.()
    return this.#subscriptions.delete(id)
  }

  #pushLog(log: unknown, notify: (result: unknown) => void): void {
    notify(log)
    for (const strike of this.#options.plan.strikes(['removed-logs'], ['eth_subscribe'])) {
      strike.took()
      if (isRecord(log)) notify({ ...log, removed: true })
    }
  }

  #push(frame: unknown): void {
    if (this.#closed) return
    for (const strike of this.#options.plan.strikes(['socket-cut'], [])) {
      strike.took()
      this.#end()
    }
    if (this.#closed) return
    for (const strike of this.#options.plan.strikes(['garbage-frames'], [])) {
      strike.took()
      this.#options.peer.send(garbage[strike.lot % garbage.length] ?? '')
    }
    this.#send(frame)
  }

  /** A connection that fell silent stays so, as one does whose other end is gone. */
  #send(frame: unknown): void {
    if (this.#closed) return
    for (const strike of this.#silent ? [] : this.#options.plan.strikes(['socket-silent'], [])) {
      strike.took()
      this.#silent = true
    }
    if (!this.#silent) this.#options.peer.send(JSON.stringify(frame))
  }

  #end(): void {
    if (this.#closed) return
    this.close()
    this.#options.peer.end()
  }
}
