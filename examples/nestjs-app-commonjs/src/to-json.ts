/** As JSON can have it: amounts, chain ids and block numbers are beyond what a number can hold, so they become text. */
export function toJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? inner.toString() : inner)))
}
