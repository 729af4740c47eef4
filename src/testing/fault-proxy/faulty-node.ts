import { systemClock } from '../../model/clock.js'
import type { Clock } from '../../model/clock.js'
import type { Random } from '../random.js'
import type { HttpOutcome, NodeAnswer, NodeCall, NodeFrontend, RpcNode } from '../rpc-node.js'
import { isRecord } from './block-parameter.js'
import { FaultPlan, answerFaultKinds, replyFaultKinds } from './fault.js'
import type { Fault, FaultKind, InjectedFault } from './fault.js'
import { FaultyConnection } from './faulty-connection.js'
import { answerWithFaults } from './spoil-answer.js'
import { needsAnswers, spoilReply } from './spoil-reply.js'
import type { WireAnswer } from './spoil-reply.js'

export interface FaultyNodeOptions {
  readonly node: RpcNode
  readonly faults?: readonly Fault[]
  /** Decides what is left to chance: the same seed and the same requests give the same faults. */
  readonly random: Random
  /** For heads that come late. */
  readonly clock?: Clock
}

export interface FaultyNode extends NodeFrontend {
  /** How often each kind really took effect; kinds that never did are absent. */
  readonly counts: ReadonlyMap<FaultKind, number>
  /** Calls by method, each item of a batch by itself. */
  readonly calls: ReadonlyMap<string, number>
  inject(fault: Fault): InjectedFault
  /** Lifts all faults. Connections that fell silent stay silent. */
  clear(): void
}

/** Puts a node behind faults that a seed decides. It needs no network. */
export function createFaultyNode({ node, faults = [], random, clock = systemClock }: FaultyNodeOptions): FaultyNode {
  const plan = new FaultPlan(random, faults)
  const calls = new Map<string, number>()

  const answer = async (call: NodeCall): Promise<NodeAnswer> => {
    calls.set(call.method, (calls.get(call.method) ?? 0) + 1)
    return answerWithFaults(withSubscriptions(node), call, plan.strikes(answerFaultKinds, [call.method]))
  }

  const http = async (body: string): Promise<HttpOutcome> => {
    const requests = parse(body)
    if (requests === null) return badRequest()
    const list = Array.isArray(requests) ? requests : [requests]
    // One reply suffers one fault; the others are kept for the next.
    const [strike, ...rest] = plan.strikes(replyFaultKinds, list.map(methodOf))
    for (const other of rest) other.missed()
    const asked = strike === undefined || needsAnswers(strike.fault.kind)
    if (!asked) for (const request of list) calls.set(methodOf(request), (calls.get(methodOf(request)) ?? 0) + 1)
    const answers = asked ? await Promise.all(list.map((request) => wireAnswer(request, answer))) : []
    return spoilReply(strike, answers, Array.isArray(requests))
  }

  return {
    counts: plan.counts,
    calls,
    http,
    connect: (peer) => new FaultyConnection({ node, plan, clock, peer, answer }),
    inject: (fault) => plan.inject(fault),
    clear: () => plan.clear(),
  }
}

/** Subscribing is up to the connection; the node is not asked, but faults may be. */
function withSubscriptions(node: RpcNode): RpcNode {
  return {
    answer: (call) => (/^eth_(un)?subscribe$/.test(call.method) ? { result: null } : node.answer(call)),
    subscribe: (topic, listener) => node.subscribe(topic, listener),
  }
}

async function wireAnswer(request: unknown, answer: (call: NodeCall) => Promise<NodeAnswer>): Promise<WireAnswer> {
  if (!isRecord(request) || typeof request['method'] !== 'string') {
    return { jsonrpc: '2.0', id: null, error: { code: -32_600, message: 'invalid request' } }
  }
  const { id, method, params } = request
  const answered = await answer({ method, params: Array.isArray(params) ? (params as unknown[]) : [] })
  return { jsonrpc: '2.0', id, ...answered }
}

function methodOf(request: unknown): string {
  return isRecord(request) ? String(request['method']) : ''
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return null
  }
}

function badRequest(): HttpOutcome {
  const body = JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32_700, message: 'parse error' } })
  return { kind: 'reply', status: 400, headers: { 'content-type': 'application/json' }, body }
}
