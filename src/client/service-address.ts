import { SOCKET_PATH } from '../api/socket-path.js'
import { TidemarkError } from '../model/errors.js'

/** The client was given an option that it cannot work with. */
export class ClientOptionError extends TidemarkError {
  readonly code = 'invalid_option'
}

/** Where the service is, perhaps below a path of a proxy. */
export interface ServiceAddress {
  /** Scheme, host and port. */
  readonly origin: string
  /** What stands before every path: empty, or a path without a slash at its end. */
  readonly prefix: string
  /** Where Socket.IO is served. */
  readonly socketPath: string
}

/** @throws ClientOptionError when it is no http or https address. */
export function parseServiceAddress(url: string): ServiceAddress {
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (parsed === null || !['http:', 'https:'].includes(parsed.protocol)) {
    throw new ClientOptionError('expected url to be an http or https address, such as http://localhost:3000')
  }
  if (parsed.username !== '' || parsed.password !== '' || parsed.search !== '') {
    throw new ClientOptionError('expected url without credentials and query: a key belongs into apiKey')
  }
  const prefix = parsed.pathname.replace(/\/+$/, '')
  return { origin: parsed.origin, prefix, socketPath: `${prefix}${SOCKET_PATH}` }
}
