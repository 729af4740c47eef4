/**
 * Keeps an endpoint's secrets out of every text that leaves the process. Providers put keys into paths, queries and user
 * info, and nodes and proxies like to repeat the address in their errors.
 */
export class EndpointSecrets {
  /** What may be shown of the endpoint: host and port. */
  readonly host: string
  readonly #secrets: readonly string[]

  constructor(url: string) {
    const { host, username, password, pathname, searchParams, search } = new URL(url)
    this.host = host
    // As the header has it: some providers repeat what they were sent.
    const basic = Buffer.from(`${decode(username)}:${decode(password)}`).toString('base64')
    const parts = [username, password, basic, pathname, search, ...pathname.split('/'), ...searchParams.values()]
    this.#secrets = [...new Set([url, ...parts, ...parts.map(decode)])]
      .filter((part) => part.length >= 6)
      .toSorted((a, b) => b.length - a.length)
  }

  /** The text without the secrets, one line, cut to a length that suits a log. */
  clean(text: string): string {
    let cleaned = text
    for (const secret of this.#secrets) cleaned = cleaned.replaceAll(secret, '***')
    // oxlint-disable-next-line no-control-regex -- control characters from a node must not reach a log
    return cleaned.replaceAll(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, 300)
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
