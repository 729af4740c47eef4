import type { NodeTransport } from '../../src/chain/rpc/node-transport.js'
import type { LeapingClock } from './leaping-clock.js'

export interface PlayedCall {
  readonly method: string
  readonly params: readonly unknown[]
}

/** What a played node answers to one HTTP request: results by call, or a response of another kind. */
export type PlayedAnswer =
  | { readonly results: readonly unknown[]; readonly takesMs?: number }
  | { readonly error: { readonly code: number; readonly message: string } }
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  | { readonly hang: true }

export type PlayedNode = (calls: readonly PlayedCall[], isBatch: boolean) => PlayedAnswer

export interface PlayedRequest {
  readonly node: string
  readonly methods: readonly string[]
  readonly atMs: number
}

/** Nodes by address that answer within the process, on the clock of the test. */
export function playNodes(
  clock: LeapingClock,
  nodes: Readonly<Record<string, PlayedNode>>,
): { readonly transport: NodeTransport; readonly requests: PlayedRequest[] } {
  const requests: PlayedRequest[] = []
  const transport: NodeTransport = {
    async fetch(url, init) {
      const { host } = new URL(url)
      const node = nodes[host]
      if (node === undefined || typeof init.body !== 'string') throw new Error(`no node at ${host}`)
      const parsed = JSON.parse(init.body) as unknown
      const isBatch = Array.isArray(parsed)
      const calls = (isBatch ? parsed : [parsed]) as (PlayedCall & { readonly id: number })[]
      requests.push({ node: host, methods: calls.map(({ method }) => method), atMs: clock.monotonicMs() })
      const answer = node(calls, isBatch)
      if ('hang' in answer) return hang(init.signal ?? null)
      if ('status' in answer) {
        return new Response(answer.body ?? '', { status: answer.status, headers: { ...answer.headers } })
      }
      if ('error' in answer) return json({ jsonrpc: '2.0', id: calls[0]?.id ?? null, error: answer.error })
      if (answer.takesMs !== undefined) await clock.sleep(answer.takesMs)
      const wire = calls.map(({ id }, index) => ({ jsonrpc: '2.0', id, result: answer.results[index] ?? null }))
      return json(isBatch ? wire : wire[0])
    },
    openSocket() {
      throw new Error('expected no socket')
    },
  }
  return { transport, requests }
}

function json(value: unknown): Response {
  return new Response(JSON.stringify(value), { status: 200, headers: { 'content-type': 'application/json' } })
}

function hang(signal: AbortSignal | null): Promise<Response> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')), { once: true })
  })
}
