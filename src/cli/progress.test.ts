import { PassThrough } from 'node:stream'

import { describe, expect, it } from 'vitest'

import { formatDuration } from './format-duration.js'
import { Progress } from './progress.js'

describe('progress', () => {
  it('writes one line every ten seconds where there is no terminal, with share, rate and time left', () => {
    const { stream, text } = plainStream()
    let nowMs = 0
    const progress = new Progress({ title: 'reading history', unit: 'blocks', stream, nowMs: () => nowMs })
    for (let done = 0; done <= 3000; done += 100) {
      progress.update({ done, total: 4000, note: '3 positions' })
      nowMs += 1000
    }
    progress.end()
    expect(text().trimEnd().split('\n')).toEqual([
      'reading history  25 %  1,000 of 4,000 blocks  100/s  30 s left  3 positions',
      'reading history  50 %  2,000 of 4,000 blocks  100/s  20 s left  3 positions',
      'reading history  75 %  3,000 of 4,000 blocks  100/s  10 s left  3 positions',
    ])
  })

  it('promises no end while the whole is not known, or while nothing moves', () => {
    const { stream, text } = plainStream()
    let nowMs = 0
    const progress = new Progress({ title: 'checking', unit: 'positions', stream, nowMs: () => nowMs })
    progress.update({ done: 5, total: 0 })
    nowMs = 10_000
    progress.update({ done: 5, total: 0 })
    nowMs = 20_000
    progress.update({ done: 5, total: 50 })
    expect(text().trimEnd().split('\n')).toEqual([
      'checking  5 positions  0/s',
      'checking  10 %  5 of 50 positions  0/s',
    ])
  })

  it.each([
    [400, '0 s'],
    [8_000, '8 s'],
    [90_000, '1 min 30 s'],
    [4_320_000, '1 h 12 min'],
    [180_000_000, '2 d 2 h'],
  ])('writes %i ms as %s', (durationMs, text) => expect(formatDuration(durationMs)).toBe(text))
})

function plainStream(): { stream: NodeJS.WriteStream; text: () => string } {
  const stream = new PassThrough()
  return {
    stream: Object.assign(stream, { isTTY: false }) as unknown as NodeJS.WriteStream,
    text: () => String(stream.read() ?? ''),
  }
}
