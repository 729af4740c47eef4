import { cutToWidth } from './display-width.js'

/**
 * A text that strangers wrote, such as a token's symbol, made safe for a terminal: without control characters, and
 * without those that hide or reorder what follows them.
 */
export function plainText(text: string, maxColumns: number): string {
  const visible = text.replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, '').trim()
  return cutToWidth(visible, maxColumns)
}
