import type { Address } from '../../model/address.js'
import { parseAddress } from '../../model/address.js'
import { NodeRefusal } from './node-refusal.js'

export interface LogFilter {
  /** Any address when empty. */
  readonly addresses: ReadonlySet<Address>
  /** By position; null accepts any topic, even none beyond the last position that is asked for. */
  readonly topics: readonly (ReadonlySet<string> | null)[]
}

/** @throws {NodeRefusal} when it is no filter. */
export function readLogFilter(value: unknown): LogFilter {
  if (typeof value !== 'object' || value === null) {
    throw new NodeRefusal(-32602, 'missing value for required argument 0')
  }
  const address = 'address' in value ? value.address : null
  const topics = 'topics' in value ? value.topics : null
  return {
    addresses: new Set(listOf(address).map(readFilterAddress)),
    topics: (Array.isArray(topics) ? (topics as readonly unknown[]) : []).map((topic) => {
      const options = listOf(topic).map((each) => String(each).toLowerCase())
      return options.length === 0 ? null : new Set(options)
    }),
  }
}

export function matchesLog(
  filter: LogFilter,
  log: { readonly address: string; readonly topics: readonly string[] },
): boolean {
  if (filter.addresses.size > 0 && !filter.addresses.has(log.address as Address)) return false
  if (filter.topics.length > log.topics.length) return false
  return filter.topics.every((options, position) => options === null || options.has(log.topics[position] ?? ''))
}

function listOf(value: unknown): readonly unknown[] {
  if (value === null || value === undefined) return []
  return Array.isArray(value) ? (value as readonly unknown[]) : [value]
}

function readFilterAddress(value: unknown): Address {
  const address = typeof value === 'string' ? parseAddress(value) : null
  if (address === null) throw new NodeRefusal(-32602, `invalid address: ${String(value)}`)
  return address
}
