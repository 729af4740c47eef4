import { maskUrl } from './mask-url.js'
import type { SettingShown } from './settings.js'

const longestShownText = 60
const addressLength = 42

/** What was given, as far as a message may tell it: secrets stay out whatever the operator mixed up. */
export function describeGiven(value: unknown, shown: SettingShown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'object') return 'an object'
  if (shown === 'hidden') return '(hidden)'
  if (typeof value === 'string') return describeText(value, shown)
  // A private key that was written without quotes is a number.
  if (shown !== 'text' || typeof value === 'symbol') return `a ${typeof value}`
  if (typeof value === 'function') return 'a function'
  return `${value as number | bigint | boolean | undefined}`
}

function describeText(text: string, shown: Exclude<SettingShown, 'hidden'>): string {
  if (text === '') return 'an empty text'
  if (shown === 'url' || text.includes('://')) return maskUrl(text)
  // A private key or a seed phrase that was pasted as an address is longer than an address.
  if (shown === 'address' && text.length > addressLength) return `a text of ${text.length} characters`
  return JSON.stringify(text.length > longestShownText ? `${text.slice(0, longestShownText)}…` : text)
}
