const hidden = '…'

/**
 * A URL without what may be secret in it: user name and password, path, query, fragment, and a host label that looks
 * like a key. `https://user:pass@rpc.example:8545/v2/KEY` becomes `https://rpc.example:8545/…`.
 */
export function maskUrl(text: string): string {
  const url = parseUrl(text.trim())
  // A scheme with digits or of unusual length may be the secret itself: `key123:rest` parses as a URL.
  if (url === null || !/^[a-z+.-]{2,12}:$/.test(url.protocol) || !text.includes('://')) return '(not a URL)'
  // `https:///x` reads as the host `x`, which was meant as a path.
  if (!/^postgres(ql)?:$/.test(url.protocol) && !/^[^:]+:\/\/[^/\\]/.test(text.trim())) return '(not a URL)'
  // An "@" behind the host means that a password was cut in two by a "/", and that its first half passes for a port.
  const isCut = `${url.pathname}${url.search}${url.hash}`.includes('@')
  if (isCut || !/^[\w.:[\]-]*$/.test(url.host)) return `${url.protocol}//${hidden}`
  const host = url.host.split('.').map(maskLabel).join('.')
  const isBare =
    url.username + url.password + url.search + url.hash === '' && (url.pathname === '/' || url.pathname === '')
  return `${url.protocol}//${host}${isBare ? '' : `/${hidden}`}`
}

/** Some providers put the key in front of the host name, `KEY.eth.rpc.example`. */
function maskLabel(label: string): string {
  return /^(?=.*\d)(?=.*[a-z])[a-z0-9_-]{20,}$/i.test(label) ? hidden : label
}

function parseUrl(text: string): URL | null {
  if (URL.canParse(text)) return new URL(text)
  // A MongoDB address may name several hosts, which is no URL: only the first one is kept.
  const single = text.replace(/^(mongodb:\/\/[^/?#,]+)(?:,[^/?#,@]+)+/, '$1')
  return single !== text && URL.canParse(single) ? new URL(single) : null
}
