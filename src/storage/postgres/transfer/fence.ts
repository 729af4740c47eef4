import type pg from 'pg'

import { DatabaseMovedError } from './transfer-errors.js'
import { ask } from './transfer-session.js'

/**
 * The mark that a move leaves in a database. It stands in a schema of its own, so that the schema of the data stays what
 * the migrations made it, and is there only where data was moved.
 */
export interface MoveMark {
  /** A source whose move was given up is `undone`. */
  readonly role: 'source' | 'target' | 'undone'
  /** One move, however often it is taken up again. */
  readonly moveId: string
  /** The event log that is moved. */
  readonly log: string
  /** What the other side is called, without secrets. */
  readonly other: string
  readonly startedAt: Date
  readonly completedAt: Date | null
}

/** The setting by which the fence knows the session that fills a target. */
const MOVER = 'tidemark_move.mover'

export async function readMarks(client: pg.Client): Promise<readonly MoveMark[]> {
  const [known] = await ask<{ readonly known: boolean }>(client, {
    text: "select to_regclass('tidemark_move.mark') is not null as known",
  })
  if (known?.known !== true) return []
  return ask<MoveMark>(client, {
    text: `select role, move_id as "moveId", log, other, started_at as "startedAt", completed_at as "completedAt"
           from tidemark_move.mark`,
  })
}

/** Marks a database as one end of a move that has begun, and lets nobody else write to it from now on. */
export async function beginMark(
  client: pg.Client,
  mark: Pick<MoveMark, 'role' | 'moveId' | 'log' | 'other'>,
): Promise<void> {
  await ask(client, {
    text: `
      create schema if not exists tidemark_move;
      create table if not exists tidemark_move.mark (
        role text not null check (role in ('source', 'target', 'undone')),
        move_id uuid not null,
        log uuid not null,
        other text not null,
        started_at timestamptz not null default now(),
        completed_at timestamptz,
        primary key (role, move_id)
      );
      create table if not exists tidemark_move.progress (
        table_name text primary key,
        next_page bigint not null,
        rows bigint not null
      )`,
  })
  await ask(client, {
    text: `
      insert into tidemark_move.mark (role, move_id, log, other) values ($1, $2, $3, $4)
      on conflict (role, move_id) do update set other = excluded.other`,
    values: [mark.role, mark.moveId, mark.log, mark.other],
  })
  await fence(client)
}

export async function completeMark(client: pg.Client, role: MoveMark['role']): Promise<void> {
  await ask(client, {
    text: 'update tidemark_move.mark set completed_at = now() where role = $1 and completed_at is null',
    values: [role],
  })
}

/** Takes the mark of a source back. That it was there is kept: a target half filled by that move may be begun again. */
export async function undoMark(client: pg.Client): Promise<void> {
  await ask(client, { text: "update tidemark_move.mark set role = 'undone' where role = 'source'" })
}

/** Forgets the unfinished moves into this database, and what has arrived by them. */
export async function forgetTarget(client: pg.Client): Promise<void> {
  await ask(client, { text: "delete from tidemark_move.mark where role = 'target' and completed_at is null" })
  await ask(client, { text: 'delete from tidemark_move.progress' })
}

/**
 * Every write is refused by the database itself, also one of an older program that does not ask. The code is that of a
 * database that takes no writes, which every service knows how to wait out without losing anything.
 */
async function fence(client: pg.Client): Promise<void> {
  await ask(client, {
    text: `
      create or replace function tidemark_move.refuse_write() returns trigger language plpgsql as $$
      begin
        if exists (select from tidemark_move.mark
                   where role = 'target' and move_id::text = current_setting('${MOVER}', true)) then
          return null;
        end if;
        raise exception using errcode = '25006',
          message = (select 'this database takes no writes: it ' ||
                       case when role = 'target' then 'is being filled from ' || other
                            when completed_at is null then 'is being moved to ' || other
                            else 'was moved to ' || other end
                     from tidemark_move.mark
                     where role = 'source' or (role = 'target' and completed_at is null)
                     order by role limit 1);
      end $$`,
  })
  const tables = await ask<{ readonly name: string }>(client, {
    text: `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'tidemark'`,
  })
  for (const { name } of tables) {
    await ask(client, {
      text: `
        drop trigger if exists refuse_write on ${name};
        create trigger refuse_write before insert or update or delete or truncate on ${name}
        for each statement execute function tidemark_move.refuse_write()`,
    })
  }
}

/** Lets this session write through the fence of a target that it fills. */
export async function passFence(client: pg.Client, moveId: string): Promise<void> {
  await ask(client, { text: 'select set_config($1, $2, false)', values: [MOVER, moveId] })
}

/** Lets everybody write again. */
export async function openFence(client: pg.Client): Promise<void> {
  await ask(client, { text: 'drop function if exists tidemark_move.refuse_write() cascade' })
}

/**
 * Refuses a database that was moved away, or is not filled yet.
 *
 * @throws {DatabaseMovedError}
 */
export async function refuseMoved(client: pg.Client): Promise<void> {
  for (const mark of await readMarks(client)) {
    if (mark.role === 'target' && mark.completedAt === null) throw unfilledError(mark)
    if (mark.role === 'source') throw movedError(mark)
  }
}

export function unfilledError(mark: MoveMark): DatabaseMovedError {
  return new DatabaseMovedError(
    `expected a complete database, got one that is being filled from ${mark.other} since ${minute(mark.startedAt)}`,
    { hint: 'Run the same `tidemark move` again: it goes on where it was.', details: { moveId: mark.moveId } },
  )
}

export function movedError(mark: MoveMark): DatabaseMovedError {
  const details = { moveId: mark.moveId, to: mark.other }
  return mark.completedAt === null
    ? new DatabaseMovedError(
        `expected a database that may be written to, got one that is being moved to ${mark.other} since ${minute(mark.startedAt)}`,
        {
          hint: 'Run the same `tidemark move` again to finish, or `tidemark move --undo` to stay here.',
          details,
        },
      )
    : new DatabaseMovedError(
        `expected a database that may be written to, got one that was moved to ${mark.other} on ${minute(mark.completedAt)}`,
        {
          hint: 'Set DATABASE_URL to the new address. To go on with this old state instead: tidemark move --undo',
          details,
        },
      )
}

/** UTC, to the minute. */
function minute(time: Date): string {
  return `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
