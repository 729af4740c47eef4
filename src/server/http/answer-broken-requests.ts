import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

import type { WireError } from '../../api/error-answer.js'
import type { ErrorCode } from '../../api/error-codes.js'
import { errorStatus } from '../../api/error-codes.js'
import { SOCKET_PATH } from '../../api/socket-path.js'

const problems: Readonly<Record<string, { readonly code: ErrorCode; readonly error: string }>> = {
  HPE_HEADER_OVERFLOW: { code: 'headers_too_large', error: 'expected smaller request headers' },
  ERR_HTTP_REQUEST_TIMEOUT: { code: 'request_timeout', error: 'the request did not arrive in time' },
}
const broken = { code: 'invalid_request', error: 'expected an HTTP request' } as const

/** The other end has this long to take its answer. */
const LINGER_MS = 5000

/** Answers bytes that are no HTTP request: there is no request object then, only a socket. */
export function answerBrokenRequest(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  answer(socket, problems[error.code ?? ''] ?? broken)
}

/**
 * Answers a request that asks for another protocol than WebSocket on our path, as some HTTP clients do by default to get
 * HTTP/2. Node hands over its socket as soon as anybody takes upgrades, and it would be closed without a word.
 */
export function answerOtherUpgrade(request: IncomingMessage, socket: Duplex): void {
  if (request.url?.startsWith(SOCKET_PATH) === true) return
  socket.on('error', () => socket.destroy())
  // The other end may leave its side open for ever.
  setTimeout(() => socket.destroy(), LINGER_MS).unref()
  answer(socket, {
    code: 'invalid_request',
    error: `expected HTTP/1.1 without "Upgrade", or a WebSocket at ${SOCKET_PATH}`,
  })
}

function answer(socket: Duplex, problem: { readonly code: ErrorCode; readonly error: string }): void {
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
