import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { seeds, times } from '../support/long.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { Totals } from './report.js'
import { simulateSeed } from './simulate-seed.js'
import { openSimulationDatabase } from './simulation-database.js'
import type { SimulationDatabase } from './simulation-database.js'

/** A seed takes about a second; a machine that is busy with other tests takes several times as long. */
const timeoutMs = times(300_000, 7_200_000)

/** Each of these showed a fault of the service once. */
const seedsThatFoundSomething = [46, 284, 357, 452, 469, 470]

describe('the simulation', () => {
  let home: TestDatabase
  let database: SimulationDatabase

  beforeAll(async () => {
    home = await createTestDatabase()
    database = await openSimulationDatabase(home.url)
  })

  afterAll(async () => {
    await database.close()
    await home.drop()
  })

  it(
    'finds every record, event and snapshot right, whatever befalls the service',
    async () => {
      const totals = new Totals()
      for (const seed of new Set([...seeds(1, 22, 2000), ...seedsThatFoundSomething])) {
        const outcome = await simulateSeed({ seed, database })
        if (outcome.kind === 'failed') expect.fail(outcome.failure.text)
        totals.add(outcome.report)
      }
      expect(totals.facts.get('records checked')).toBeGreaterThan(0)
      expect(totals.facts.get('crashes')).toBeGreaterThan(0)
      expect(totals.facts.get('reorganisations')).toBeGreaterThan(0)
    },
    timeoutMs,
  )

  it(
    'plays a seed again step by step',
    async () => {
      const first = await simulateSeed({ seed: 7, database })
      const second = await simulateSeed({ seed: 7, database })
      expect(first.kind).toBe('passed')
      expect(second).toEqual(first)
      const other = await simulateSeed({ seed: 8, database })
      expect(other.kind === 'passed' && first.kind === 'passed' && other.report.fingerprint).not.toBe(
        first.kind === 'passed' && first.report.fingerprint,
      )
    },
    timeoutMs,
  )

  it.each([
    ['a wrong balance', 'update tidemark.balance_record set balance = balance + 1', 'a record holds the balance'],
    [
      'a lost record',
      `delete from tidemark.balance_record where (position_id, block_number) in
         (select position_id, max(block_number) from tidemark.balance_record group by position_id having count(*) > 2)`,
      'a block known exactly',
    ],
    [
      'a record of another branch',
      `update tidemark.balance_record set block_hash = sha256(block_hash)`,
      'a record lies on a block of the canonical chain',
    ],
    [
      'a lost event',
      `delete from tidemark.event where seq = (select max(seq) / 2 from tidemark.event)`,
      'the event log has no gap',
    ],
    [
      'a lost snapshot',
      `delete from tidemark."BalanceSnapshot" where seq = (select min(seq) from tidemark."BalanceSnapshot")`,
      'an acknowledged report is stored',
    ],
  ])(
    'finds %s',
    async (_what, sabotage, rule) => {
      const outcome = await simulateSeed({ seed: 7, database, sabotage })
      expect(outcome.kind === 'failed' && outcome.failure.text).toContain(`violated: ${rule}`)
    },
    timeoutMs,
  )
})
