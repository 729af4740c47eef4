/** Every error code on the wire with its HTTP status. The codes are stable; messages may change. */
export const errorStatus = {
  invalid_request: 400,
  invalid_argument: 400,
  invalid_json: 400,
  invalid_snapshot: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  unknown_balance: 404,
  unknown_chain: 404,
  unknown_position: 404,
  unknown_solver: 404,
  unknown_token: 404,
  request_timeout: 408,
  configured: 409,
  idempotency_conflict: 409,
  body_too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  headers_too_large: 431,
  internal: 500,
  overloaded: 503,
  storage_unavailable: 503,
  records_behind: 503,
  unavailable: 503,
  not_ready: 503,
  closed: 503,
  not_running: 503,
  too_many_connections: 503,
} as const

/** A code of the table above. */
export type ErrorCode = keyof typeof errorStatus

/** True for a code that may be shown to a remote caller. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorStatus, code)
}
