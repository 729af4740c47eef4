/** One JSON-RPC call, without its id. */
export interface NodeCall {
  readonly method: string
  readonly params: readonly unknown[]
}

/** What a node answers to one call. */
export type NodeAnswer =
  | { readonly result: unknown }
  | { readonly error: { readonly code: number; readonly message: string; readonly data?: unknown } }

/** What a node's WebSocket can tell of by itself. */
export type NodeTopic = 'newHeads' | 'logs'

/** A node as the servers of this folder serve it: a model chain, a real node behind it, or one that is made to fail. */
export interface RpcNode {
  /** Never throws: a failure is an answer. */
  answer(call: NodeCall): NodeAnswer | Promise<NodeAnswer>
  /** Hands over the `result` of each notification until the returned function is called. */
  subscribe(topic: NodeTopic, listener: (result: unknown) => void): () => void
}

/** What becomes of one HTTP request. */
export type HttpOutcome =
  | {
      readonly kind: 'reply'
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: string
    }
  /** No answer ever comes, but the connection stays open. */
  | { readonly kind: 'hang' }
  /** The connection is cut. `bytes` of the body may have gone out before. */
  | { readonly kind: 'reset'; readonly body?: string }

/** One side of a WebSocket connection to a node, without the network. */
export interface NodeConnection {
  /** A frame from the client. */
  receive(text: string): void
  close(): void
}

/** Everything a client can reach of a node: the same within one process and behind a real port. */
export interface NodeFrontend {
  /** @param body the request as it came, a single call or a batch */
  http(body: string): Promise<HttpOutcome>
  /** A client connects; `send` gives it a frame, `end` cuts the connection. */
  connect(peer: { send(text: string): void; end(): void }): NodeConnection
}
