import { RequestError } from '../../api/request-error.js'

/** Turns what Fastify throws for a request it cannot read into an error of the wire; others come back as they are. */
export function fromFastifyError(error: unknown): unknown {
  switch (codeOf(error)) {
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return new RequestError('invalid_json', 'expected a JSON body, got something that is not JSON')
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new RequestError('body_too_large', 'expected a body of at most 64 KB')
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new RequestError('unsupported_media_type', 'expected the content type application/json')
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new RequestError('invalid_request', 'expected a body as long as its Content-Length says')
    case 'FST_ERR_BAD_URL':
      return new RequestError('invalid_request', 'expected a valid URL')
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new RequestError('invalid_request', 'expected shorter path parameters')
    default:
      return isBadRequest(error) ? new RequestError('invalid_request', 'expected a valid request') : error
  }
}

/** What serves the files of the documentation refuses paths that no file can have in a way of its own. */
function isBadRequest(error: unknown): boolean {
  return error instanceof Error && 'statusCode' in error && error.statusCode === 400
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
