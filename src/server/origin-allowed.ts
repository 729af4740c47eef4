import type { IncomingHttpHeaders } from 'node:http'

/** What browsers send in `Sec-Fetch-Site` with a request from a page of another site, or of another port. */
const crossing: ReadonlySet<string> = new Set(['cross-site', 'same-site'])

/**
 * Whether a browser page may talk to us. Programs send no `Origin`; a page of our own has our host; others must be in the
 * list, where `*` stands for all.
 */
export function isOriginAllowed(headers: IncomingHttpHeaders, corsOrigins: readonly string[]): boolean {
  const { origin, host } = headers
  // Scripts and images that a page fetches from another site come without an origin, but are marked as such.
  if (origin === undefined) return !crossing.has(String(headers['sec-fetch-site']))
  if (corsOrigins.includes('*') || corsOrigins.includes(origin)) return true
  return host !== undefined && hostOf(origin) === host.toLowerCase()
}

function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null
}
