import type { IncomingHttpHeaders } from 'node:http'

import type { Config } from '../config/config.js'
import { isLoopbackHost } from '../config/config-schema.js'

/** Tells whether a request was meant for this server, by the name it was sent to. */
export type HostCheck = (headers: IncomingHttpHeaders) => boolean

/**
 * Without keys, being on this machine is all that protects the service. A web page can make its own name point here; its
 * requests then carry that name as `Host`, which gives them away.
 */
export function createHostCheck({ host, apiKeys }: Pick<Config, 'host' | 'apiKeys'>): HostCheck {
  if (apiKeys.length > 0 || !isLoopbackHost(host)) return () => true
  return (headers) => {
    if (headers.host === undefined) return true
    const url = `http://${headers.host}`
    return URL.canParse(url) && isLoopbackHost(new URL(url).hostname.replace(/^\[(.*)\]$/, '$1'))
  }
}
