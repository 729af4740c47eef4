import type { HttpOutcome } from '../rpc-node.js'
import type { ReplyFaultKind, Strike } from './fault.js'

export type WireAnswer = Readonly<Record<string, unknown>>

const PAGE =
  '<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body></html>'

/**
 * Spoils a whole reply.
 *
 * @param answers the answers to all calls of the request, in order
 * @param isBatch whether the request was a list
 */
export function spoilReply(
  strike: Strike<ReplyFaultKind> | undefined,
  answers: readonly WireAnswer[],
  isBatch: boolean,
): HttpOutcome {
  const proper = JSON.stringify(isBatch ? answers : answers[0])
  if (strike === undefined) return reply(proper)
  const spoilt = spoil(strike, answers, isBatch)
  if (spoilt === null) strike.missed()
  else strike.took()
  return spoilt ?? reply(proper)
}

/** Whether the fault leaves nothing of the answers, so that the node need not be asked. */
export function needsAnswers(kind: ReplyFaultKind): boolean {
  return !['http-429', 'http-5xx', 'html-200', 'hang'].includes(kind)
}

function spoil(
  { fault, lot }: Strike<ReplyFaultKind>,
  answers: readonly WireAnswer[],
  isBatch: boolean,
): HttpOutcome | null {
  const proper = JSON.stringify(isBatch ? answers : answers[0])
  const each = (change: (answer: WireAnswer) => WireAnswer): HttpOutcome =>
    reply(JSON.stringify(isBatch ? answers.map(change) : change(answers[0] ?? {})))
  switch (fault.kind) {
    case 'http-429':
      return { kind: 'reply', status: 429, headers: retryAfter(fault.retryAfter), body: 'Too Many Requests' }
    case 'http-5xx':
      return { kind: 'reply', status: fault.status, headers: { 'content-type': 'text/html' }, body: PAGE }
    case 'html-200':
      return { kind: 'reply', status: 200, headers: { 'content-type': 'text/html' }, body: PAGE }
    case 'hang':
      return { kind: 'hang' }
    case 'reset':
      return { kind: 'reset', ...(lot % 2 === 0 ? {} : { body: half(proper) }) }
    case 'truncated':
      return reply(half(proper))
    case 'malformed':
      return reply(proper.replaceAll('"', "'"))
    case 'wrong-id':
      return each((answer) => ({ ...answer, id: `${String(answer['id'])}0` }))
    case 'result-and-error':
      return each(({ error, ...answer }) => ({
        ...answer,
        error: error ?? { code: -32_000, message: 'internal error' },
        result: answer['result'] ?? '0x0',
      }))
    case 'missing-result':
      return each(({ jsonrpc, id }) => ({ jsonrpc, id }))
    case 'batch-partial':
      return answers.length < 2 ? null : reply(JSON.stringify(answers.toSpliced(lot % answers.length, 1)))
    case 'batch-reordered':
      return answers.length < 2 ? null : reply(JSON.stringify(answers.toReversed()))
    case 'batch-as-object':
      return isBatch ? reply(JSON.stringify(answers[0])) : null
  }
}

function reply(body: string): HttpOutcome {
  return { kind: 'reply', status: 200, headers: { 'content-type': 'application/json' }, body }
}

function half(body: string): string {
  return body.slice(0, Math.ceil(body.length / 2))
}

function retryAfter(wait: { readonly seconds: number } | { readonly date: Date } | undefined): Record<string, string> {
  if (wait === undefined) return {}
  return { 'retry-after': 'seconds' in wait ? `${wait.seconds}` : wait.date.toUTCString() }
}
