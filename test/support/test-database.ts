import { randomBytes } from 'node:crypto'

import pg from 'pg'
import { inject } from 'vitest'

import { TEMPLATE } from './global-setup.js'

/** A database of its own on the test server. */
export interface TestDatabase {
  readonly name: string
  /** For `DATABASE_URL`. */
  readonly url: string
  readonly address: { readonly host: string; readonly port: number; readonly user: string; readonly database: string }
  /** Removes it, ending whoever is still connected. */
  drop(): Promise<void>
}

/**
 * Makes a database with the newest schema, or an empty one.
 *
 * @param options.empty true for a database without any schema
 */
export async function createTestDatabase(options: { readonly empty?: boolean } = {}): Promise<TestDatabase> {
  const server = inject('postgres')
  const name = `test_${randomBytes(6).toString('hex')}`
  const admin = async (sql: string): Promise<void> => {
    const client = new pg.Client({ ...server, database: 'postgres' })
    await client.connect()
    try {
      await client.query(sql)
    } finally {
      await client.end()
    }
  }
  await admin(`create database ${name} ${options.empty === true ? '' : `template ${TEMPLATE}`}`)
  return {
    name,
    url: `postgresql://${server.user}@localhost:${server.port}/${name}?host=${encodeURIComponent(server.host)}`,
    address: { ...server, database: name },
    drop: () => admin(`drop database ${name} with (force)`),
  }
}
