import { Client } from 'pg'
import { currentOwner, isOwnerAlive } from './guard.js'
import type { Owner } from './guard.js'

/** Superuser of the embedded server and owner of everything in it. */
export const serverUserName = 'tidemark'
/** The database that Tidemark uses. */
export const databaseName = 'tidemark'

// Advisory locks belong to one database; this one exists from initdb on and is never used otherwise.
const lockDatabase = 'postgres'
const lockKey = [0x74696465, 1] as const
const connectTimeoutMs = 3_000
const queryTimeoutMs = 5_000
const applicationPrefix = 'tidemark-owner'

/** The session that owns the data directory for as long as it lasts. */
export interface OwnershipLock {
  /** Creates Tidemark's database unless it exists. */
  ensureDatabase(): Promise<void>
  /** Calls the listener once when the session has ended without `release`; at once when that has happened already. */
  onLost(listener: () => void): void
  release(): void
}

export type LockAttempt =
  | { readonly kind: 'held'; readonly lock: OwnershipLock }
  | { readonly kind: 'taken'; readonly pid: number | null; readonly alive: boolean }
  | { readonly kind: 'unreachable'; readonly error: unknown }

/** Connects to a server and tries to become its owner. */
export async function tryOwnershipLock(address: { host: string; port: number }): Promise<LockAttempt> {
  const client = new Client({
    ...address,
    user: serverUserName,
    database: lockDatabase,
    ssl: false,
    application_name: applicationName(currentOwner()),
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
  })
  // Without a listener the end of the server would end this process.
  client.on('error', () => {})
  const watcher = watchEnd(client)
  try {
    await client.connect()
    const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock($1, $2) as held', [...lockKey])
    if (rows[0]?.held === true) return { kind: 'held', lock: createLock(client, watcher) }
    const holder = await findHolder(client)
    destroy(client)
    return { kind: 'taken', pid: holder?.pid ?? null, alive: holder === null || isOwnerAlive(holder) }
  } catch (error) {
    destroy(client)
    return { kind: 'unreachable', error }
  }
}

interface EndWatcher {
  ended: boolean
  listener: (() => void) | null
}

function watchEnd(client: Client): EndWatcher {
  const watcher: EndWatcher = { ended: false, listener: null }
  client.on('end', () => {
    watcher.ended = true
    watcher.listener?.()
    watcher.listener = null
  })
  return watcher
}

function createLock(client: Client, watcher: EndWatcher): OwnershipLock {
  return {
    async ensureDatabase() {
      const { rows } = await client.query('select from pg_database where datname = $1', [databaseName])
      if (rows.length === 0) await client.query(`create database ${databaseName}`)
    },
    onLost(listener) {
      if (watcher.ended) listener()
      else watcher.listener = listener
    },
    release() {
      watcher.listener = null
      destroy(client)
    },
  }
}

/** Closes the socket itself: a polite end would wait for a server that may be frozen. */
function destroy(client: Client): void {
  client.connection.stream.destroy()
}

/** The owner as a connection's application_name, which PostgreSQL cuts at 63 bytes. */
export function applicationName(owner: Owner): string {
  return [applicationPrefix, owner.pid, owner.startTime || '-', owner.namespace || '-'].join(' ')
}

/** Reads the owner back out of an application_name; null when it is not one of ours. */
export function parseApplicationName(text: string): Owner | null {
  const [prefix, pid, startTime, namespace] = text.split(' ')
  if (prefix !== applicationPrefix || !/^\d+$/.test(pid ?? '') || startTime === undefined) return null
  return {
    pid: Number(pid),
    startTime: startTime === '-' ? '' : startTime,
    namespace: namespace === undefined || namespace === '-' ? '' : namespace,
    executable: null,
  }
}

async function findHolder(client: Client): Promise<Owner | null> {
  const { rows } = await client.query<{ name: string }>(
    `select a.application_name as name
       from pg_locks l join pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'advisory' and l.granted and l.classid = $1 and l.objid = $2 and l.objsubid = 2`,
    [...lockKey],
  )
  return parseApplicationName(rows[0]?.name ?? '')
}
