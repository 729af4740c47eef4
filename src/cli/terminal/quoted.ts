import { plainText } from './plain-text.js'

/** Columns of what was given, in a message. */
const GIVEN_COLUMNS = 40

/** What was given, as it may stand in a message. */
export function quoted(text: string): string {
  return JSON.stringify(plainText(text, GIVEN_COLUMNS))
}
