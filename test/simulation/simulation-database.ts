import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pg from 'pg'

import { silentLogger } from '../../src/model/logger.js'
import { startEmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'
import { openPostgresStorage } from '../../src/storage/postgres/postgres-storage.js'
import type { Storage } from '../../src/storage/postgres/postgres-storage.js'

/** A database that one simulation after the other begins with empty. */
export interface SimulationDatabase {
  readonly storage: Storage
  /** For checks, beside the storage that is checked. */
  readonly client: pg.Client
  empty(): Promise<void>
  close(): Promise<void>
}

export async function openSimulationDatabase(databaseUrl: string): Promise<SimulationDatabase> {
  const storage = await openPostgresStorage({ databaseUrl, dataDir: '/nowhere' }, silentLogger)
  const client = new pg.Client({ connectionString: databaseUrl, options: '-c timezone=UTC' })
  await client.connect()
  const tables = await client.query<{ name: string }>(`
    select format('tidemark.%I', tablename) as name from pg_tables
    where schemaname = 'tidemark' and tablename not in ('migration', 'event_log')`)
  const names = tables.rows.map(({ name }) => name).join(', ')
  return {
    storage,
    client,
    async empty() {
      // Truncated, so that rows lie in the same order whatever was there before.
      await client.query(`truncate ${names} restart identity cascade`)
      await client.query('update tidemark.event_log set seq = 0, snapshots = 0')
    },
    async close() {
      await client.end()
      await storage.close()
    },
  }
}

export interface SimulationServer {
  /** Makes an empty database, and names it as `DATABASE_URL` does. */
  createDatabase(name: string): Promise<string>
  stop(): Promise<void>
}

/** A PostgreSQL server of its own for a run, in memory where the machine has a place for that. */
export async function startSimulationServer(): Promise<SimulationServer> {
  const home = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  const dataDir = await mkdtemp(join(home, 'tidemark-simulation-'))
  const server = await startEmbeddedPostgres({ dataDir, logger: silentLogger })
  const { host, port, user } = server.connection
  return {
    async createDatabase(name) {
      const admin = new pg.Client({ ...server.connection, database: 'postgres' })
      await admin.connect()
      await admin.query(`create database ${name}`)
      await admin.end()
      return `postgresql://${user}@localhost:${port}/${name}?host=${encodeURIComponent(host)}`
    },
    async stop() {
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
