import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pg from 'pg'
import type { TestProject } from 'vitest/node'

import { silentLogger } from '../../src/model/logger.js'
import { Database } from '../../src/storage/postgres/database.js'
import { startEmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'
import { migrate } from '../../src/storage/postgres/migrate.js'

export interface TestServer {
  readonly host: string
  readonly port: number
  readonly user: string
}

declare module 'vitest' {
  interface ProvidedContext {
    postgres: TestServer
  }
}

/** Every test database is copied from this one, which has the newest schema. */
export const TEMPLATE = 'tidemark_template'

/** Builds the package once and starts one PostgreSQL server for all test files. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  execFileSync(process.platform === 'win32' ? 'npm.cmd' : 'npm', ['run', '--silent', 'build'], { stdio: 'inherit' })

  const dataDir = await mkdtemp(join(tmpdir(), 'tidemark-test-'))
  const server = await startEmbeddedPostgres({ dataDir, logger: silentLogger })
  try {
    const admin = new pg.Client(server.connection)
    await admin.connect()
    await admin.query(`create database ${TEMPLATE}`)
    await admin.end()
    const template = new Database({ ...server.connection, database: TEMPLATE }, silentLogger)
    await migrate(template, silentLogger)
    await template.close()
  } catch (error) {
    await server.stop()
    throw error
  }
  const { host, port, user } = server.connection
  project.provide('postgres', { host, port, user })

  return async () => {
    await server.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}
