import { describe, expect, it } from 'vitest'

import { readRange, readTime, readWhen } from './read-when.js'

const nowMs = Date.parse('2026-03-01T12:00:00Z')

describe('readWhen', () => {
  it.each([
    ['21000000', { block: '21000000' }],
    ['007', { block: '7' }],
    ['2026-01-31', { time: new Date('2026-01-31T00:00:00Z') }],
    ['2026-01-31T10:30Z', { time: new Date('2026-01-31T10:30:00Z') }],
    ['2026-01-31T10:30:00.5+02:00', { time: new Date('2026-01-31T08:30:00.500Z') }],
    ['24h', { time: new Date('2026-02-28T12:00:00Z') }],
    ['-24h', { time: new Date('2026-02-28T12:00:00Z') }],
    ['7d', { time: new Date('2026-02-22T12:00:00Z') }],
    ['90s', { time: new Date('2026-03-01T11:58:30Z') }],
    ['2w', { time: new Date('2026-02-15T12:00:00Z') }],
  ])('reads %s', (text, when) => {
    expect(readWhen('--at', text, nowMs)).toEqual(when)
  })

  it.each([
    '',
    'yesterday',
    '2026',
    '2026-02-30',
    '2026-13-01',
    '2026-01-31T10:30',
    '24',
    '1y',
    '+1h',
    '1.5h',
    '-5',
    '0x10',
  ])('reads %j as a block or refuses it, and never guesses', (text) => {
    if (/^\d+$/.test(text)) expect(readWhen('--at', text, nowMs)).toEqual({ block: text })
    else expect(() => readWhen('--at', text, nowMs)).toThrow(/^--at: expected a block number, a time such as/)
  })

  it('takes no block number where only a time will do', () => {
    expect(() => readTime('--from', '5', nowMs)).toThrow(/^--from: expected a time/)
    expect(readTime('--from', '1m', nowMs)).toEqual(new Date('2026-03-01T11:59:00Z'))
  })
})

describe('readRange', () => {
  it('takes blocks and times, mixed too', () => {
    expect(readRange({}, nowMs)).toEqual({})
    expect(readRange({ from: '5', to: '1h' }, nowMs)).toEqual({ fromBlock: '5', to: new Date('2026-03-01T11:00:00Z') })
    expect(() => readRange({ to: 'now' }, nowMs)).toThrow(/^--to: /)
  })

  it('refuses bounds in the wrong order', () => {
    const refused = /^--from: expected what is not after --to$/
    expect(() => readRange({ from: '10', to: '9' }, nowMs)).toThrow(refused)
    expect(() => readRange({ from: '1h', to: '2h' }, nowMs)).toThrow(refused)
    expect(readRange({ from: '10', to: '10' }, nowMs)).toEqual({ fromBlock: '10', toBlock: '10' })
    expect(readRange({ from: '10', to: '2h' }, nowMs)).toMatchObject({ fromBlock: '10' })
  })
})
