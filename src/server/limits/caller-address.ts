import { isIP } from 'node:net'

import { isLoopbackHost } from '../../config/config-schema.js'

/** Where a connection comes from, as limits count it. */
export interface CallerAddress {
  /** An IPv4 address, or the first 64 bits of an IPv6 address: whoever has one of these has all of them. */
  readonly name: string
  readonly isLoopback: boolean
}

/**
 * The other end of a TCP connection. Headers such as `X-Forwarded-For` are not looked at: anybody can send them.
 *
 * @param remoteAddress as the operating system tells it; undefined when the connection is gone already
 */
export function callerAddress(remoteAddress: string | undefined): CallerAddress {
  const text = (remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
  const isLoopback = isIP(text) !== 0 && isLoopbackHost(text)
  return { name: isIP(text) === 6 ? networkOf(text) : text, isLoopback }
}

function networkOf(address: string): string {
  const [head = '', tail] = address.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length)
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right]
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
