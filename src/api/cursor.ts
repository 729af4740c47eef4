import { z } from 'zod'

/** The lists that can be read page by page. A cursor of one is refused by the other. */
export type CursorKind = 'balances' | 'history' | 'totals'

/** An opaque text that names where the next page begins; null when there is none. */
export function encodeCursor(kind: CursorKind, at: bigint | null): string | null {
  if (at === null) return null
  return btoa(`${kind}:${at}`).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** Reads a cursor back; null when it is none of this list's. */
export function decodeCursor(kind: CursorKind, cursor: string): bigint | null {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(cursor)) return null
  const text = base64Text(cursor.replaceAll('-', '+').replaceAll('_', '/'))
  const digits = text?.startsWith(`${kind}:`) ? text.slice(kind.length + 1) : ''
  return /^\d{1,18}$/.test(digits) ? BigInt(digits) : null
}

/** The `cursor` parameter of a list. */
export function cursorParameter(kind: CursorKind): z.ZodType<bigint, string> {
  return z
    .string()
    .meta({ description: 'The `nextCursor` of the page before' })
    .transform((text, context) => {
      const at = decodeCursor(kind, text)
      if (at !== null) return at
      context.issues.push({ code: 'custom', message: 'expected the nextCursor of the page before', input: text })
      return z.NEVER
    })
}

function base64Text(base64: string): string | null {
  try {
    return atob(base64)
  } catch {
    return null
  }
}
