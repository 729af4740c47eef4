/** The first line of what an error says: what follows may be a whole request. */
export function problemText(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n', 1)[0] ?? ''
}
