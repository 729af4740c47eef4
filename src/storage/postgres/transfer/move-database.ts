import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'

import type pg from 'pg'

import { silentLogger } from '../../../model/logger.js'
import type { Logger } from '../../../model/logger.js'
import type { DatabaseSettings } from '../connect-database.js'
import { migrate } from '../migrate.js'
import { digestTable } from './digest-table.js'
import { lockTables, requireEmpty } from './empty-target.js'
import {
  beginMark,
  completeMark,
  forgetTarget,
  movedError,
  openFence,
  passFence,
  readMarks,
  undoMark,
  unfilledError,
} from './fence.js'
import type { MoveMark } from './fence.js'
import { moveTable, readArrived } from './move-table.js'
import { openEnd, requireEmbedded } from './open-end.js'
import type { TransferEnd } from './open-end.js'
import { silenceTriggers, wakeTriggers } from './own-triggers.js'
import { countRows, qualified, readSequences, readTables, setSequences } from './read-tables.js'
import type { Table } from './read-tables.js'
import { TransferMismatchError } from './transfer-errors.js'
import type { TransferProgress } from './transfer-progress.js'
import { ask, inTransaction } from './transfer-session.js'

type SourceSettings = Pick<DatabaseSettings, 'databaseUrl' | 'dataDir'>

export interface MoveOptions {
  /** The PostgreSQL server, as `DATABASE_URL` would name it. */
  readonly to: string
  /** What the two databases call each other afterwards, without secrets. */
  readonly sourceName: string
  readonly targetName: string
  /** Stops between two pieces; another run goes on from there. */
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined
  /** Pages of 8 kB that are carried in one transaction, if not the usual 4096. */
  readonly pagesAtOnce?: number | undefined
}

export interface MovedTable {
  readonly name: string
  readonly rows: bigint
  /** 128 bits in hex, the same on both sides. */
  readonly digest: string
}

export interface MoveReport {
  readonly moveId: string
  /** The event log's name and place, which the target goes on with. */
  readonly log: string
  readonly seq: bigint
  /** An earlier run had begun. */
  readonly resumed: boolean
  readonly tables: readonly MovedTable[]
}

/**
 * Carries everything from the configured database to another PostgreSQL server, compares both, and closes the old one
 * for writing. Killed at any moment, another run goes on.
 *
 * @throws {DataDirectoryLockedError | DatabaseInUseError} while a service works with either
 * @throws {TargetNotEmptyError} where there is other data
 * @throws {TransferMismatchError} when the two differ; the target stays closed then
 */
export async function moveDatabase(
  settings: SourceSettings,
  options: MoveOptions,
  logger: Logger = silentLogger,
): Promise<MoveReport> {
  requireEmbedded(settings)
  const source = await openEnd(settings, options.sourceName, logger)
  try {
    const target = await openEnd({ ...settings, databaseUrl: options.to }, options.targetName, logger)
    try {
      return await move(source, target, options, logger)
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/**
 * Gives a move up: the source may be written to again. Its event log gets another name, because a target may have
 * gone on with the old one.
 *
 * @returns false when there was no move to give up
 */
export async function undoMove(
  settings: SourceSettings,
  sourceName: string,
  logger: Logger = silentLogger,
): Promise<boolean> {
  requireEmbedded(settings)
  const source = await openEnd(settings, sourceName, logger)
  try {
    const marks = await readMarks(source.session)
    if (!marks.some(({ role }) => role === 'source')) return false
    await inTransaction(source.session, async () => {
      await openFence(source.session)
      await undoMark(source.session)
      await ask(source.session, { text: 'update tidemark.event_log set log = gen_random_uuid()' })
    })
    return true
  } finally {
    await source.close()
  }
}

async function move(
  source: TransferEnd,
  target: TransferEnd,
  options: MoveOptions,
  logger: Logger,
): Promise<MoveReport> {
  const begun = await takeUp(source, target, options, logger)
  const { moveId, log, resumed } = begun
  const tables = await sameTables(source.session, target.session)
  const [head] = await ask<{ readonly seq: string }>(source.session, { text: 'select seq from tidemark.event_log' })
  const report = { moveId, log, seq: BigInt(head?.seq ?? 0), resumed }
  if (begun.arrived) {
    await completeMark(source.session, 'source')
    return { ...report, tables: [] }
  }
  await passFence(target.session, moveId)
  const total = [...(await countRows(source.session, tables)).values()].reduce((sum, rows) => sum + rows, 0n)
  await copyTables(source.session, target.session, { tables, total, ...options })
  const moved = await compareTables(source.session, target.session, { tables, total, ...options })
  await finishTarget(source.session, target.session, tables)
  await completeMark(source.session, 'source')
  return { ...report, tables: moved }
}

interface Begun {
  readonly moveId: string
  readonly log: string
  readonly resumed: boolean
  /** Everything had arrived before; only the source does not know yet. */
  readonly arrived: boolean
}

/** Finds out how far an earlier run came, or begins. From then on neither side takes writes of others. */
async function takeUp(source: TransferEnd, target: TransferEnd, options: MoveOptions, logger: Logger): Promise<Begun> {
  const sourceMarks = await readMarks(source.session)
  const targetMarks = await readMarks(target.session)
  const unfilled = sourceMarks.find(isUnfilled)
  if (unfilled !== undefined) throw unfilledError(unfilled)
  const leaving = sourceMarks.find(({ role }) => role === 'source')
  const same = targetMarks.find(({ role, moveId }) => role === 'target' && moveId === leaving?.moveId)
  // A target is complete before its source knows: one that is not was given up for another, where everything went on.
  if (leaving !== undefined && leaving.completedAt !== null && same?.completedAt == null) throw movedError(leaving)
  if (leaving !== undefined && same !== undefined) {
    return { moveId: leaving.moveId, log: leaving.log, resumed: true, arrived: same.completedAt !== null }
  }

  if (leaving === undefined) {
    await source.database.checkDurability()
    await migrate(source.database, logger)
  }
  await target.database.checkDurability()
  await clearTarget(target, { givenUp: sourceMarks, unfilled: targetMarks.find(isUnfilled) })
  await migrate(target.database, logger)
  await requireEmpty(target.session, await readTables(target.session), target.called)
  const [head] = await ask<{ readonly log: string }>(source.session, { text: 'select log from tidemark.event_log' })
  if (head === undefined) throw new Error('invariant: the event log has its counter row')
  const begin = { moveId: leaving?.moveId ?? randomUUID(), log: head.log }
  await inTransaction(source.session, () =>
    beginMark(source.session, { ...begin, role: 'source', other: options.targetName }),
  )
  await inTransaction(target.session, async () => {
    const tables = await readTables(target.session)
    await lockTables(target.session, tables)
    await requireEmpty(target.session, tables, target.called)
    await silenceTriggers(target.session, tables)
    await beginMark(target.session, { ...begin, role: 'target', other: options.sourceName })
  })
  return { ...begin, resumed: leaving !== undefined, arrived: false }
}

function isUnfilled({ role, completedAt }: MoveMark): boolean {
  return role === 'target' && completedAt === null
}

/** What a move of this source left half done and was given up is taken out again; nobody ever worked with it. */
async function clearTarget(
  target: TransferEnd,
  { givenUp, unfilled }: { readonly givenUp: readonly MoveMark[]; readonly unfilled: MoveMark | undefined },
): Promise<void> {
  if (unfilled === undefined) return
  const ours = givenUp.some(({ role, moveId }) => role === 'undone' && moveId === unfilled.moveId)
  if (!ours) throw unfilledError(unfilled)
  const { session } = target
  await inTransaction(session, async () => {
    await openFence(session)
    await forgetTarget(session)
    await ask(session, { text: 'drop schema tidemark cascade' })
  })
}

/** Both sides were made by the same migrations, so both have the same tables. */
async function sameTables(source: pg.Client, target: pg.Client): Promise<readonly Table[]> {
  const migrations = 'select version, name, sha256 from tidemark.migration order by version'
  const [made, wanted] = [await ask(target, { text: migrations }), await ask(source, { text: migrations })]
  const [tables, theirs] = [await readTables(source), await readTables(target)]
  if (isDeepStrictEqual([made, theirs], [wanted, tables])) return tables
  throw new TransferMismatchError('expected both databases to have the same schema, got different ones', {
    hint: 'Give the move up with `tidemark move --undo`, and begin it again with an empty target.',
  })
}

interface Carrying extends MoveOptions {
  readonly tables: readonly Table[]
  readonly total: bigint
}

async function copyTables(source: pg.Client, target: pg.Client, options: Carrying): Promise<void> {
  const { tables, total, signal, onProgress, pagesAtOnce } = options
  let done = await readArrived(target)
  for (const table of tables) {
    const tell = (): void => onProgress?.({ step: 'copying', table: table.name, done, total })
    tell()
    await moveTable({
      source,
      target,
      table,
      signal,
      pagesAtOnce,
      onRows: (rows) => {
        done += rows
        tell()
      },
    })
  }
}

async function compareTables(source: pg.Client, target: pg.Client, options: Carrying): Promise<readonly MovedTable[]> {
  const { tables, total, signal, onProgress } = options
  let done = 0n
  const moved: MovedTable[] = []
  const wrong: string[] = []
  for (const table of tables) {
    const onRows = (rows: bigint): void => {
      done += rows
      onProgress?.({ step: 'checking', table: table.name, done, total })
    }
    const [there, here] = await Promise.all([
      digestTable(source, table, { signal, onRows }),
      digestTable(target, table, { signal }),
    ])
    if (there.rows !== here.rows || there.digest !== here.digest) {
      wrong.push(`${table.name} (${there.rows} rows ${there.digest}, ${here.rows} rows ${here.digest})`)
    }
    moved.push({ name: table.name, ...there })
  }
  if (wrong.length === 0) return moved
  throw new TransferMismatchError(
    `expected the target to hold what the source does, got other rows: ${wrong.join(', ')}`,
    {
      hint: 'Give the move up with `tidemark move --undo`, and begin it again with an empty target.',
      details: { tables: wrong },
    },
  )
}

/** From here on the target is a database like any other. */
async function finishTarget(source: pg.Client, target: pg.Client, tables: readonly Table[]): Promise<void> {
  const sequences = await readSequences(source)
  for (const table of tables) await ask(target, { text: `analyze ${qualified(table)}` })
  await inTransaction(target, async () => {
    await setSequences(target, sequences)
    await openFence(target)
    await wakeTriggers(target, tables)
    await completeMark(target, 'target')
  })
}
