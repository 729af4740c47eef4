import type { IncomingHttpHeaders } from 'node:http'

/**
 * Whether a browser page may talk to us. Programs send no `Origin`; a page of our own has our host; others must be in the
 * list, where `*` stands for all.
 */
export function isOriginAllowed(headers: IncomingHttpHeaders, corsOrigins: readonly string[]): boolean {
  const { origin, host } = headers
  if (origin === undefined) return true
  if (corsOrigins.includes('*') || corsOrigins.includes(origin)) return true
  return host !== undefined && hostOf(origin) === host.toLowerCase()
}

function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null
}
