import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { silentLogger } from '../../src/model/logger.js'
import { InvalidSnapshotError } from '../../src/snapshots/parse-report.js'
import { IdempotencyConflictError, SnapshotIntake } from '../../src/snapshots/snapshot-intake.js'
import { Database } from '../../src/storage/postgres/database.js'
import { PostgresSnapshotStore } from '../../src/storage/postgres/snapshot-store.js'
import { longTimeoutMs, times } from '../support/long.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'

/** Ways in which this test's database refuses a row, named by an asset of it. */
const flaws = ['check', 'trigger', 'conversion', 'number', 'encoding'] as const
type Kind = 'good' | (typeof flaws)[number]

const refusals = `
  alter table tidemark."BalanceSnapshot" add constraint no_check check ((onchain->>'check') is null);
  create function tidemark.refuse() returns trigger language plpgsql as $$
  begin
    if (new.onchain->>'trigger') is not null then raise exception 'refused by a trigger'; end if;
    if (new.onchain->>'conversion') is not null then perform 'word'::bigint; end if;
    if (new.onchain->>'number') is not null then perform 1 / (new.onchain->>'zero')::numeric; end if;
    if (new.onchain->>'state') is not null then
      raise exception 'the database in trouble' using errcode = (select json_object_keys(new.onsite));
    end if;
    if (new.onchain->>'encoding') is not null then perform '"\\u0000"'::jsonb; end if;
    return new;
  end $$;
  create trigger refuse before insert on tidemark."BalanceSnapshot" for each row execute function tidemark.refuse();`

interface Sent {
  readonly kind: Kind
  /** One of a few keys, or none. */
  readonly key: number | null
  readonly amount: number
}

const sentSnapshot: fc.Arbitrary<Sent> = fc.record({
  kind: fc.oneof(
    { arbitrary: fc.constant<Kind>('good'), weight: 6 },
    { arbitrary: fc.constantFrom(...flaws), weight: 1 },
  ),
  key: fc.option(fc.integer({ min: 0, max: 5 }), { freq: 2 }),
  amount: fc.integer({ min: 0, max: 1 }),
})

describe('a snapshot that the database refuses although it seemed valid', () => {
  let testDatabase: TestDatabase
  let database: Database
  let intake: SnapshotIntake

  beforeAll(async () => {
    testDatabase = await createTestDatabase()
    database = new Database(testDatabase.address, silentLogger)
    await database.transaction(async (transaction) => {
      for (const text of refusals.split(/(?<=;)\n {2}(?=create|alter)/)) await transaction.query({ name: '', text })
    })
    const store = new PostgresSnapshotStore(database)
    intake = new SnapshotIntake({ store, logger: silentLogger, onCommitted: () => undefined, limits: { batchMax: 16 } })
  })

  afterAll(async () => {
    await intake.close()
    await database.close()
    await testDatabase.drop()
  })

  it.each(flaws)('gets an error that is final: %s', async (flaw) => {
    const refused = intake.save({ onchain: { [flaw]: 1, zero: 0 }, onsite: { a: 1 } })
    await expect(refused).rejects.toMatchObject({ code: 'invalid_snapshot', retryable: false })
  })

  it.each([
    ['a serialization failure', '40001', 'no'],
    ['a deadlock', '40P01', 'no'],
    ['a full disk', '53100', 'no'],
    ['too many connections', '53300', 'no'],
    ['a standby', '25006', 'no'],
    ['a number that is taken', '23505', 'no'],
    ['a statement that took too long', '57014', 'unknown'],
    ['a shutdown', '57P01', 'unknown'],
  ])('is told from a database in trouble, which may pass: %s', async (_what, state, stored) => {
    await expect(intake.save({ onchain: { state: 1 }, onsite: { [state]: 1 } })).rejects.toMatchObject({
      code: 'storage_unavailable',
      retryable: true,
      details: { stored },
    })
  })

  it(
    'does no harm to the others of its batch: each is stored once, whatever the order',
    { timeout: longTimeoutMs },
    async () => {
      let run = 0
      const met = new Set<string>()
      await fc.assert(
        fc.asyncProperty(fc.array(sentSnapshot, { minLength: 1, maxLength: 60 }), async (list) => {
          run += 1
          const before = await newestSeq()
          const answers = await Promise.all(list.map((sent) => answerTo(sent, run)))
          const expected = inOneRow(list)
          expect(answers.map(({ kind }) => kind)).toEqual(expected)
          for (const kind of expected) met.add(kind)

          const stored = answers.flatMap(({ kind, id }) => (kind === 'saved' ? [id] : []))
          const events = await database.query<{ seq: string; id: string; stored: string }>({
            name: 'events-since',
            text: `select event.seq, event.snapshot_id as id, stored.id as stored from tidemark.event
                 left join tidemark."BalanceSnapshot" as stored using (seq) where event.seq > $1 order by event.seq`,
            values: [before],
          })
          expect(events.map(({ seq }) => Number(seq))).toEqual(stored.map((_, index) => before + index + 1))
          expect(events.map(({ id }) => id).toSorted()).toEqual(stored.toSorted())
          expect(events.every((event) => event.id === event.stored)).toBe(true)
        }),
        { numRuns: times(40, 1000) },
      )
      expect(met).toEqual(new Set(['saved', 'refused', 'repeated', 'conflict']))
    },
  )

  async function newestSeq(): Promise<number> {
    const rows = await database.query<{ seq: string; rows: string }>({
      name: 'newest-seq',
      text: `select seq, (select count(*) from tidemark."BalanceSnapshot") as rows from tidemark.event_log`,
    })
    expect(rows[0]?.rows).toBe(rows[0]?.seq)
    return Number(rows[0]?.seq)
  }

  async function answerTo({ kind, key, amount }: Sent, run: number): Promise<{ kind: string; id: string }> {
    const onchain = { ...(kind === 'good' ? {} : { [kind]: 1 }), zero: 0 }
    try {
      const body = { onchain, onsite: { amount } }
      const { snapshot, repeated } = await intake.save(body, key === null ? undefined : `${run}-${key}`)
      return { kind: repeated ? 'repeated' : 'saved', id: snapshot.id }
    } catch (error) {
      if (error instanceof InvalidSnapshotError) return { kind: 'refused', id: '' }
      if (error instanceof IdempotencyConflictError) return { kind: 'conflict', id: '' }
      throw error
    }
  }
})

/** What becomes of the snapshots when one after the other is stored. */
function inOneRow(list: readonly Sent[]): readonly string[] {
  const byKey = new Map<number, string>()
  return list.map(({ kind, key, amount }) => {
    const body = `${kind} ${amount}`
    const known = key === null ? undefined : byKey.get(key)
    if (known !== undefined) return known === body ? 'repeated' : 'conflict'
    if (kind !== 'good') return 'refused'
    if (key !== null) byKey.set(key, body)
    return 'saved'
  })
}
