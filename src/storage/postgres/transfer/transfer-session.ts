import { randomBytes } from 'node:crypto'

import type pg from 'pg'

import { asDatabaseError } from '../database-errors.js'
import { endConnection, withLimit } from '../database.js'
import type { Database } from '../database.js'
import { DatabaseInUseError } from './transfer-errors.js'

/** Counting and comparing read whole tables, everything else answers at once. */
const ANSWER_MS = 600_000
/** Whoever writes gets so long to finish. */
const LOCK_WAIT_MS = 10_000
/** Any constant does: of those who move, restore or fill one database only one may be at work. */
const TRANSFER_LOCK = 7_134_021_559n
const PREFIX = 'tidemark-transfer'

/** Runs one statement; its failures are told apart as everywhere. */
export async function ask<Row extends object>(
  client: pg.Client,
  query: { readonly text: string; readonly values?: readonly unknown[] },
): Promise<readonly Row[]> {
  try {
    const result = await client.query<Row>(
      withLimit({ text: query.text, values: [...(query.values ?? [])] }, ANSWER_MS),
    )
    return result.rows
  } catch (error) {
    throw asDatabaseError(error)
  }
}

/** Runs `work` in one transaction: all of it is kept, or nothing. */
export async function inTransaction<Result>(client: pg.Client, work: () => Promise<Result>): Promise<Result> {
  await ask(client, { text: 'begin' })
  try {
    const result = await work()
    await ask(client, { text: 'commit' })
    return result
  } catch (error) {
    await ask(client, { text: 'rollback' }).catch(() => undefined)
    throw error
  }
}

/**
 * A connection for carrying rows. What it reads as text reads the same on every server: times, bytes and numbers are
 * written in one way.
 *
 * @throws {DatabaseUnavailableError}
 */
export async function openSession(database: Database): Promise<pg.Client> {
  const client = await database.dedicatedClient(0)
  try {
    const name = `${PREFIX} ${process.pid} ${randomBytes(8).toString('hex')}`
    await ask(client, { text: "select set_config('application_name', $1, false)", values: [name] })
    await ask(client, { text: "set datestyle = 'ISO, YMD'" })
    await ask(client, { text: "set intervalstyle = 'postgres'" })
    await ask(client, { text: "set bytea_output = 'hex'" })
    await ask(client, { text: 'set extra_float_digits = 1' })
    await ask(client, { text: "set client_encoding = 'UTF8'" })
    await ask(client, { text: "set search_path = ''" })
    await ask(client, { text: `set lock_timeout = ${LOCK_WAIT_MS}` })
    return client
  } catch (error) {
    await endConnection(client)
    throw error
  }
}

export interface Claim {
  /** What the database is called in messages, without secrets. */
  readonly called: string
}

/**
 * Makes this session the only one that carries rows into or out of a database, and makes sure that no service works with
 * it. Ends with the session.
 *
 * @throws {DatabaseInUseError}
 */
export async function claimDatabase(client: pg.Client, { called }: Claim): Promise<void> {
  const [lock] = await ask<{ readonly held: boolean }>(client, {
    text: 'select pg_try_advisory_lock($1) as held',
    values: [TRANSFER_LOCK],
  })
  if (lock?.held !== true) throw await takenError(client, called)
  const others = await ask<{ readonly pid: number; readonly name: string; readonly address: string | null }>(client, {
    text: `
      select pid, application_name as name, client_addr::text as address from pg_stat_activity
      where datname = current_database() and application_name like 'tidemark%' and application_name not like $1
        and pid <> pg_backend_pid()
      order by backend_start limit 1`,
    values: [`${PREFIX}%`],
  })
  const [other] = others
  if (other === undefined) return
  throw new DatabaseInUseError(
    `expected no Tidemark at work with ${called}, got a connection from ${other.address ?? 'this machine'} (server process ${other.pid})`,
    {
      hint: 'Stop every Tidemark process that uses this database, then run the command again.',
      details: { serverPid: other.pid, address: other.address },
    },
  )
}

async function takenError(client: pg.Client, called: string): Promise<DatabaseInUseError> {
  const [holder] = await ask<{ readonly name: string }>(client, {
    text: `
      select activity.application_name as name
      from pg_locks as lock join pg_stat_activity as activity on activity.pid = lock.pid
      where lock.locktype = 'advisory' and lock.granted and lock.objsubid = 1
        and lock.database = (select oid from pg_database where datname = current_database())
        and (lock.classid::bigint << 32) | lock.objid::bigint = $1`,
    values: [TRANSFER_LOCK],
  })
  const pid = Number(holder?.name.split(' ')[1])
  const own = pid === process.pid
  const who = own ? 'this very command' : `process ${Number.isNaN(pid) ? 'unknown' : pid}`
  return new DatabaseInUseError(`expected nobody else to carry data into or out of ${called}, got ${who}`, {
    hint: own
      ? 'Source and target are the same database. Name another one.'
      : 'Wait until that process is done, or end it; then run the command again.',
    details: { pid: Number.isNaN(pid) ? null : pid },
  })
}
