import type { Socket } from 'node:net'

import type { WireError } from '../../api/error-answer.js'
import type { ErrorCode } from '../../api/error-codes.js'
import { errorStatus } from '../../api/error-codes.js'

const problems: Readonly<Record<string, { readonly code: ErrorCode; readonly error: string }>> = {
  HPE_HEADER_OVERFLOW: { code: 'headers_too_large', error: 'expected smaller request headers' },
  ERR_HTTP_REQUEST_TIMEOUT: { code: 'request_timeout', error: 'the request did not arrive in time' },
}
const broken = { code: 'invalid_request', error: 'expected an HTTP request' } as const

/** Answers bytes that are no HTTP request: there is no request object then, only a socket. */
export function answerBrokenRequest(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const problem = problems[error.code ?? ''] ?? broken
  const body: WireError = { success: false, error: problem.error, code: problem.code }
  const text = JSON.stringify(body)
  socket.end(
    [
      `HTTP/1.1 ${errorStatus[problem.code]} Refused`,
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(text)}`,
      'Connection: close',
      '',
      text,
    ].join('\r\n'),
  )
}
