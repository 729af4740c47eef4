import type { ServerResponse } from 'node:http'

import type { FastifyReply, FastifyRequest } from 'fastify'

import { toErrorAnswer } from '../../api/error-answer.js'
import { RequestError } from '../../api/request-error.js'

/** What is written at once: enough that few calls are made, little enough that many streams fit into memory. */
const CHUNK_LENGTH = 64 * 1024

export interface Lines {
  /** Each becomes one line of JSON. */
  readonly lines: AsyncIterable<unknown>
  readonly contentType: string
  /** Told when it fails after lines were sent; the status says nothing of it then. */
  readonly onFailure: (error: unknown) => void
}

/**
 * Answers with lines, read no faster than they are taken: what waits for a slow reader is one chunk, and one that goes
 * away ends the reading. A failure before the first line becomes an ordinary answer. After that the last line is the
 * error, and the connection is cut before the regular end, so that nobody takes a part for the whole.
 */
export async function sendLines(request: FastifyRequest, reply: FastifyReply, answer: Lines): Promise<void> {
  if (request.raw.httpVersion === '1.0') {
    // Such an answer ends when the connection does: one that was cut would look complete.
    throw new RequestError(
      'invalid_request',
      'expected HTTP/1.1 or later, got HTTP/1.0, which cannot tell a cut answer',
    )
  }
  if (request.method === 'HEAD') {
    await reply.type(answer.contentType).send()
    return
  }
  const lines = answer.lines[Symbol.asyncIterator]()
  let next = await lines.next()
  reply.hijack()
  const { raw } = reply
  raw.writeHead(200, { ...headersOf(reply), 'content-type': answer.contentType })
  try {
    let chunk = ''
    while (next.done !== true && !raw.destroyed) {
      chunk += `${JSON.stringify(next.value)}\n`
      if (chunk.length >= CHUNK_LENGTH) {
        await write(raw, chunk)
        chunk = ''
      }
      next = await lines.next()
    }
    raw.end(chunk)
  } catch (error) {
    if (raw.destroyed) return
    answer.onFailure(error)
    // `end` of the socket, not of the answer: the last chunk, which would make it whole, is never sent.
    raw.write(`${JSON.stringify(toErrorAnswer(error).body)}\n`, () => raw.socket?.end())
  } finally {
    await lines.return?.()
  }
}

function headersOf(reply: FastifyReply): Record<string, string | number | string[]> {
  return Object.fromEntries(
    Object.entries(reply.getHeaders()).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

/** Resolves when there is room for more, or nobody to take it. */
async function write(raw: ServerResponse, chunk: string): Promise<void> {
  if (raw.write(chunk) || raw.destroyed) return
  await new Promise<void>((resolve) => {
    const goOn = (): void => {
      raw.off('drain', goOn)
      raw.off('close', goOn)
      resolve()
    }
    raw.on('drain', goOn)
    raw.on('close', goOn)
  })
}
