import { rm } from 'node:fs/promises'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { PostgresWatchListStore } from '../../src/storage/postgres/watch-list-store.js'
import { chainId, header, row, solver } from '../integration/ledger-store-fixture.js'
import { openRecords } from '../integration/records-fixture.js'
import type { RecordsFixture } from '../integration/records-fixture.js'
import { temporaryFolder } from '../support/service.js'
import { commandLine } from './command-line.js'
import type { CommandLine, CommandResult } from './command-line.js'

let fixture: RecordsFixture
let folder: string
let alone: CommandLine

const timeOf = (block: number): string => new Date(header(BigInt(block)).timestampSeconds * 1000).toISOString()

beforeAll(async () => {
  fixture = await openRecords()
  await fixture.start({ native: 5n, erc20: 1n })
  const records = [row(fixture.native, header(35n), 9n, 5n)]
  await fixture.pass(40n, records, { native: 'exact', erc20: 'exact' })
  await leaveUnseen(21, 30)
  folder = await temporaryFolder()
  alone = commandLine(folder, { DATABASE_URL: fixture.testDatabase.url })
}, 60_000)

afterAll(async () => {
  await fixture.close()
  await rm(folder, { recursive: true, force: true })
})

/** As if nobody had watched the native balance in some blocks. */
async function leaveUnseen(from: number, to: number): Promise<void> {
  const { database, native } = fixture
  await database.query({
    name: 'test-forget',
    text: 'delete from tidemark.coverage where position_id = $1',
    values: [native],
  })
  await database.query({
    name: 'test-leave',
    text: `insert into tidemark.coverage (position_id, from_number, to_number, kind, from_timestamp, to_timestamp)
           values ($1, 10, $2, 'exact', $3, $4), ($1, $5, null, 'exact', $6, null)`,
    values: [native, from - 1, timeOf(10), timeOf(from - 1), to + 1, timeOf(to + 1)],
  })
}

const history = (...options: string[]): Promise<CommandResult> =>
  alone.run(['history', '1', 'native', 'hot', '--json', ...options])

describe('commands about a time in which nobody watched', () => {
  it.each([
    ['the time before the oldest record', ['--from', timeOf(25)], 25, 31],
    ['the time after the newest record', ['--to', timeOf(24)], 20, 24],
    ['a time without any record', ['--from', timeOf(22), '--to', timeOf(28)], 22, 28],
  ])('history ends with 4 and tells it of %s', async (_where, options, from, to) => {
    const { code, told } = await history(...options)
    expect(told).toContain(`the time from ${textOf(from)} to ${textOf(to)} UTC, when nobody watched`)
    expect(code).toBe(4)
  })

  it('history is content where all was watched since the position was first seen', async () => {
    expect(await history('--from', timeOf(12), '--to', timeOf(15))).toEqual({
      code: 0,
      out: '[]\n',
      told: 'No record of that time.\n',
    })
    expect(await history('--from', timeOf(1), '--to', timeOf(15))).toMatchObject({ code: 0, told: '' })
    expect(await history('--from', timeOf(31))).toMatchObject({ code: 0, told: '' })
    expect(await history('--from', timeOf(1), '--limit', '1')).toMatchObject({ code: 0 })
  })

  it('stats and steps of a time by which nothing was known end with 4', async () => {
    for (const command of [['stats'], ['history', '--points', '5']]) {
      const { code, told } = await alone.run([...command, '1', 'native', 'hot', '--to', timeOf(5)])
      expect([code, told]).toEqual([4, 'No balance was known by then.\n'])
    }
  })
})

describe('balance as of a time', () => {
  const never = `0x${'e5'.repeat(20)}`

  it('refuses a wallet that never was watched', async () => {
    for (const at of [timeOf(36), '36']) {
      const { code, out, told } = await alone.run(['balance', '1', 'native', never, '--at', at])
      expect([code, out]).toEqual([2, ''])
      expect(told).toContain('expected a position that is or was watched')
    }
  })

  it('tells what a wallet held that is no longer watched', async () => {
    const watchList = new PostgresWatchListStore(fixture.database)
    await watchList.applyConfiguration({ chains: [{ chainId, name: 'Test', tokens: [] }], solvers: [] })
    for (const at of [timeOf(36), '36']) {
      const { code, out } = await alone.run(['balance', '1', 'native', solver, '--at', at, '--json'])
      expect(JSON.parse(out)).toMatchObject([{ tokenAddress: 'native', balance: '9', certainty: 'exact' }])
      expect(code).toBe(0)
    }
  })
})

function textOf(block: number): string {
  return timeOf(block).slice(0, 19).replace('T', ' ')
}
