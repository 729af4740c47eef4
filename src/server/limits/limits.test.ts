import { describe, expect, it } from 'vitest'

import type { Caller } from '../key-ring.js'
import { callerAddress } from './caller-address.js'
import { ConnectionCounts } from './connection-counts.js'
import { FailedKeys } from './failed-keys.js'
import { KeyedBuckets } from './keyed-buckets.js'
import { SnapshotLimit } from './snapshot-limit.js'
import { TokenBucket } from './token-bucket.js'

const remote = callerAddress('203.0.113.7')
const local = callerAddress('127.0.0.1')

describe('a bucket', () => {
  it('admits its burst, then its rate, and says how long to wait', () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 3 }, 0)
    expect([bucket.take(0), bucket.take(0), bucket.take(0)]).toEqual([0, 0, 0])
    expect(bucket.take(0)).toBe(100)
    expect(bucket.take(40)).toBe(60)
    expect(bucket.take(100)).toBe(0)
    expect(bucket.take(100)).toBe(100)
    // However long the rest, no more than the burst.
    expect(Array.from({ length: 5 }, () => bucket.take(1e9)).filter((waitMs) => waitMs === 0)).toHaveLength(3)
  })

  it('that is one of many makes room when there are too many, the one used longest ago first', () => {
    const buckets = new KeyedBuckets({ perSecond: 1, burst: 1 }, 3)
    for (const name of ['a', 'b', 'c', 'a']) buckets.take(name, 0)
    buckets.take('d', 0)
    expect(buckets.size).toBe(3)
    expect(buckets.waitMs('a', 0)).toBeGreaterThan(0)
    expect(buckets.waitMs('b', 0)).toBe(0)
    for (let index = 0; index < 1000; index += 1) buckets.take(`x${index}`, 0)
    expect(buckets.size).toBe(3)
  })
})

describe('the address of a caller', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1', true],
    ['127.8.9.1', '127.8.9.1', true],
    ['::ffff:127.0.0.1', '127.0.0.1', true],
    ['::1', '0:0:0:0::/64', true],
    ['::ffff:203.0.113.7', '203.0.113.7', false],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64', false],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64', false],
    ['2001:0db8::1', '2001:db8:0:0::/64', false],
    ['fe80::1%eth0', 'fe80:0:0:0::/64', false],
    [undefined, '', false],
  ])('%s counts as %s', (text, name, isLoopback) => {
    expect(callerAddress(text)).toEqual({ name, isLoopback })
  })
})

describe('connections', () => {
  it('are limited in all, per address beyond this machine, and per key to a share of all', () => {
    const counts = new ConnectionCounts({ total: 5, perAddress: 2 })
    const close = [counts.open(remote), counts.open(remote)]
    expect(counts.refusal(remote)).toBe('connections_per_address')
    expect(counts.refusal(callerAddress('203.0.113.8'))).toBeNull()
    close.push(counts.open(local), counts.open(local))
    expect(counts.refusal(local)).toBeNull()
    close.push(counts.open(local))
    expect(counts.refusal(local)).toBe('connections')
    for (const off of close) off()
    expect(counts.refusal(remote)).toBeNull()

    const closeKeys = Array.from({ length: 4 }, () => counts.openWithKey('viewer'))
    expect(counts.keyRefusal('viewer')).toBe('connections_per_key')
    expect(counts.keyRefusal('other')).toBeNull()
    expect(counts.keyRefusal(null)).toBeNull()
    closeKeys[0]?.()
    expect(counts.keyRefusal('viewer')).toBeNull()
  })
})

describe('snapshots', () => {
  it('are limited per key, wherever they come from', () => {
    const limit = new SnapshotLimit(10)
    const connection = limit.ofConnection({ keyName: 'a', address: local }, 0)
    const request = limit.ofRequest({ keyName: 'a', address: remote })
    for (let count = 0; count < 10; count += 1) expect([connection(0), request(0)]).toEqual([0, 0])
    expect(connection(0)).toBe(100)
    expect(request(0)).toBe(100)
    expect(limit.ofRequest({ keyName: 'b', address: local })(0)).toBe(0)
  })

  it('are limited per address, however many keys come from it, and a refused one costs the key nothing', () => {
    const limit = new SnapshotLimit(10)
    for (let count = 0; count < 20; count += 1) {
      expect(limit.ofRequest({ keyName: `key-${count}`, address: remote })(0)).toBe(0)
    }
    const more = limit.ofRequest({ keyName: 'key-20', address: remote })
    for (let count = 0; count < 20; count += 1) expect(more(0)).toBe(100)
    const elsewhere = limit.ofRequest({ keyName: 'key-20', address: local })
    for (let count = 0; count < 20; count += 1) expect(elsewhere(0)).toBe(0)
  })

  it('are limited per connection of this machine without keys, to 5,000 a second by default', () => {
    const limit = new SnapshotLimit(null)
    const reporter = { keyName: null, address: local }
    const [first, second] = [limit.ofConnection(reporter, 0), limit.ofConnection(reporter, 0)]
    let admitted = 0
    for (let millisecond = 0; millisecond < 10_000; millisecond += 1) {
      for (let count = 0; count < 6; count += 1) admitted += first(millisecond) === 0 ? 1 : 0
    }
    expect(admitted).toBeGreaterThanOrEqual(59_990)
    expect(admitted).toBeLessThanOrEqual(60_000)
    expect(second(9_999)).toBe(0)
    expect(limit.perSecond(reporter)).toBe(5000)
    expect(limit.perSecond({ keyName: 'a', address: local })).toBe(1000)
  })
})

describe('wrong keys', () => {
  const caller = (keyName: string): Caller => ({ keyName, isValid: () => true, may: () => true })

  it('are answered up to a limit; then right ones are refused too, unless they were right before', () => {
    const failed = new FailedKeys()
    const waitMs = (keyName: string | null, nowMs = 0, address = remote): number =>
      failed.waitMs({ secret: 'x', caller: keyName === null ? null : caller(keyName), address, nowMs })
    expect(waitMs('first')).toBe(0)
    for (let count = 0; count < 50; count += 1) expect(waitMs(null)).toBe(0)
    expect(waitMs(null)).toBe(1000)
    expect(waitMs('second')).toBe(1000)
    expect(waitMs('first')).toBe(0)
    expect(failed.waitMs({ secret: null, caller: null, address: remote, nowMs: 0 })).toBe(0)
    expect(waitMs('second', 0, local)).toBe(0)
    expect(waitMs('second', 1000)).toBe(0)
    expect(waitMs('second', 1000)).toBe(0)
  })
})
