/** The parts of `secret`, `scope+scope:secret` or `name:scope+scope:secret`; a text of another form comes back as it is. */
export function splitApiKeyText(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const parts = value.split(':').map((part) => part.trim())
  const secret = parts.at(-1)
  const scopes = parts.at(-2)?.split('+')
  switch (parts.length) {
    case 1:
      return { secret }
    case 2:
      return { scopes, secret }
    case 3:
      return { name: parts[0], scopes, secret }
    default:
      return value
  }
}
