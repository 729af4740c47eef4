import { describe, expect, it } from 'vitest'

import type { WireChain } from '../../api/chain-wire.js'
import { displayWidth } from '../terminal/display-width.js'
import { renderPicture } from './render-picture.js'
import type { Picture } from './render-picture.js'
import type { NamedRow } from '../live/render-table.js'
import { noReports } from './reporter-status.js'
import { paint } from '../terminal/styled-line.js'

const nowMs = Date.parse('2026-01-01T00:01:00Z')
const escape = '\u001B'

const harbour: WireChain = {
  chainId: '31337',
  name: 'Harbour',
  followed: 'here',
  state: 'live',
  reason: null,
  head: '1234',
  processed: '1234',
  safe: '1220',
  finalized: '1212',
  lagSeconds: 1,
  endpoints: [],
}

function row(fields: Partial<NamedRow> = {}): NamedRow {
  return {
    chainId: '31337',
    tokenAddress: '0x5FbDB2315678afecb367f032d93F642f64180aa3',
    solverAddress: '0x7ee7EE2a67229E575D9acCB394ff60C1B3812044',
    symbol: 'USDC',
    decimals: 6,
    balance: 10_140_000_000n,
    change: 140_000_000n,
    blockNumber: 1_200n,
    changedAtMs: nowMs - 3_000,
    stale: false,
    label: 'hot-1',
    chainName: 'Harbour',
    ...fields,
  }
}

function picture(fields: Partial<Picture> = {}): Picture {
  return {
    url: 'http://127.0.0.1:3000',
    chains: [harbour],
    rows: [row()],
    changes: 7,
    reporter: noReports,
    firstBalanceMs: 3_140,
    problem: null,
    nowMs,
    ...fields,
  }
}

function draw(
  fields: Partial<Picture> = {},
  size: { columns: number; rows: number } = { columns: 120, rows: 40 },
): string {
  return paint(renderPicture(picture(fields), size), false)
}

function tableOf(text: string): string[] {
  const lines = text.split('\n')
  return lines.slice(lines.findIndex((line) => line.startsWith('SOLVER WALLET')))
}

describe('renderPicture', () => {
  it('shows the address, the documentation, the way out and the state of each chain', () => {
    const text = draw({
      chains: [harbour, { ...harbour, chainId: '31338', name: 'Bay', state: 'stalled', reason: 'no answer' }],
    })
    expect(text).toContain('http://127.0.0.1:3000')
    expect(text).toContain('http://127.0.0.1:3000/docs')
    expect(text).toContain('Ctrl-C')
    expect(text).toMatch(/^Harbour {2}live {6}head 1,234 {2}lag 1 s/m)
    expect(text).toMatch(/^Bay {6}stalled {3}head 1,234 .*no answer$/m)
  })

  it('shows a balance with its wallet, token, chain, last change, block and age', () => {
    expect(tableOf(draw())[1]).toBe(
      'hot-1          0x7ee7…2044  USDC   Harbour  10,140.000000  +140.000000  1,200  3 s',
    )
  })

  it('aligns numbers to the right, under each other and under their heading', () => {
    const [heading = '', ...lines] = tableOf(
      draw({ rows: [row(), row({ balance: 5n, change: -1n }), row({ balance: 10n ** 15n, change: null })] }),
    )
    const end = heading.indexOf('BALANCE') + 'BALANCE'.length
    const balances = lines.slice(0, 3).map((line) => line.slice(0, end).split('  ').at(-1)?.trim())
    expect(balances).toEqual(['10,140.000000', '0.000005', '1,000,000,000.000000'])
  })

  it('keeps every line within the terminal, whatever its width', () => {
    const rows = [row(), row({ label: '漢字の財布', symbol: '🚀MOON' }), row({ balance: 2n ** 255n, decimals: 0 })]
    for (let columns = 1; columns <= 160; columns += 1) {
      const lines = draw({ rows, problem: 'something went wrong '.repeat(20) }, { columns, rows: 40 }).split('\n')
      expect(lines.filter((line) => displayWidth(line) > columns)).toEqual([])
    }
  })

  it('leaves out the address and then the block on a narrow terminal', () => {
    const headingAt = (columns: number): string => tableOf(draw({}, { columns, rows: 40 }))[0] ?? ''
    expect(headingAt(100)).toContain('ADDRESS')
    expect(headingAt(75)).not.toContain('ADDRESS')
    expect(headingAt(75)).toContain('BLOCK')
    expect(headingAt(65)).not.toContain('BLOCK')
    expect(headingAt(65)).toContain('AGE')
  })

  it('fits a low terminal and says how many rows are left out', () => {
    const rows = Array.from({ length: 28 }, (_, index) => row({ blockNumber: BigInt(index) }))
    const lines = draw({ rows }, { columns: 120, rows: 24 }).split('\n')
    expect(lines.length).toBeLessThan(24)
    const shown = lines.filter((line) => line.startsWith('hot-1')).length
    expect(shown).toBeGreaterThan(5)
    expect(lines).toContain(`… and ${28 - shown} more`)
  })

  it('says nothing of hidden rows when all fit', () => {
    expect(draw()).not.toContain('more')
  })

  it('strips control characters, line breaks and direction marks from names', () => {
    const text = draw({ rows: [row({ symbol: '\u001B[2JUS\nDC\u202E', label: 'hot\r\u0007-1\u200B' })] })
    expect(tableOf(text)[1]).toMatch(/^hot-1 .* \[2JUSDC /)
    for (const character of [escape, '\r', '\u0007', '\u202E', '\u200B']) expect(text).not.toContain(character)
  })

  it('names a token without a symbol by its address, and the native currency as such', () => {
    expect(tableOf(draw({ rows: [row({ symbol: null })] }))[1]).toContain('0x5FbD…0aa3')
    expect(tableOf(draw({ rows: [row({ symbol: '\u0000', tokenAddress: 'native' })] }))[1]).toContain('native')
  })

  it('says so when a balance cannot be read at the moment', () => {
    expect(tableOf(draw({ rows: [row({ stale: true })] }))[1]).toMatch(/stale$/)
  })

  it('counts acknowledged snapshots and shows what was refused', () => {
    const reporter = { acknowledged: 14, refused: 0, lastAcknowledgedAtMs: nowMs - 1_500, lastError: null }
    expect(draw({ reporter })).toContain('reporter: 14 snapshots acknowledged, last 1 s ago')
    expect(draw({ reporter: { ...reporter, refused: 2, lastError: 'overloaded' } })).toContain('2 refused (overloaded)')
  })

  it('uses colour only when told to', () => {
    const lines = renderPicture(picture(), { columns: 120, rows: 40 })
    expect(paint(lines, false)).not.toContain(escape)
    expect(paint(lines, true)).toContain(`${escape}[32m+140.000000${escape}[39m`)
  })
})
