import type { IncomingHttpHeaders } from 'node:http'

import { isLoopbackHost } from '../config/config-schema.js'
import type { KeyRing } from './key-ring.js'

/**
 * Tells whether a request was meant for this server, by the name it was sent to. `not_known`: keys of the database would
 * allow it, and it is not known whether there are any.
 */
export type HostCheck = (headers: IncomingHttpHeaders) => 'allowed' | 'forbidden' | 'not_known'

/**
 * Without keys, being on this machine is all that protects the service. A web page can make its own name point here; its
 * requests then carry that name as `Host`, which gives them away.
 */
export function createHostCheck(host: string, keys: Pick<KeyRing, 'required' | 'isKnown'>): HostCheck {
  if (!isLoopbackHost(host)) return () => 'allowed'
  return (headers) => {
    // Asked each time: the first key may be added while the service runs.
    if (keys.required || headers.host === undefined) return 'allowed'
    const url = `http://${headers.host}`
    if (URL.canParse(url) && isLoopbackHost(new URL(url).hostname.replace(/^\[(.*)\]$/, '$1'))) return 'allowed'
    return keys.isKnown ? 'forbidden' : 'not_known'
  }
}
