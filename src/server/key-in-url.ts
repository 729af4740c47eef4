import { isGeneratedSecret } from '../index.js'

/** Names under which keys are put into URLs. None of them is a parameter of ours. */
const names: ReadonlySet<string> = new Set([
  'token',
  'access_token',
  'auth_token',
  'authorization',
  'auth',
  'bearer',
  'api_key',
  'api-key',
  'apikey',
  'x-api-key',
  'key',
  'secret',
])

/**
 * Whether the query string of a request holds what is meant as a key. Proxies, histories and logs keep URLs, so a key
 * is not taken from there, not even besides one at the right place.
 *
 * @param url path and query, as it stands in the request's first line
 */
export function hasKeyInUrl(url: string | undefined): boolean {
  const start = url?.indexOf('?') ?? -1
  if (url === undefined || start === -1) return false
  for (const [name, value] of new URLSearchParams(url.slice(start + 1))) {
    if (names.has(name.toLowerCase()) || isGeneratedSecret(value)) return true
  }
  return false
}
