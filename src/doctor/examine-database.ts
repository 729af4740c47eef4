import { existsSync } from 'node:fs'
import { join } from 'node:path'

import type { Config } from '../config/config.js'
import { TidemarkError, messageOf } from '../model/errors.js'
import { silentLogger } from '../model/logger.js'
import { connectDatabase } from '../storage/postgres/connect-database.js'
import { readMigrations, readVersion } from '../storage/postgres/migrate.js'
import { refuseMoved } from '../storage/postgres/transfer/fence.js'
import type { Finding } from './finding.js'

/** The questions asked here are answered at once. */
const ANSWER_MS = 10_000

type Examined = Pick<Config, 'databaseUrl' | 'dataDir'>

/** Whether the database answers, keeps what it acknowledges, and has a schema this version knows. Changes nothing. */
export async function examineDatabase({ databaseUrl, dataDir }: Examined): Promise<Finding> {
  const embedded = databaseUrl === null
  const subject = embedded ? `embedded PostgreSQL in ${dataDir}` : 'DATABASE_URL'
  if (embedded && !existsSync(join(dataDir, 'postgres'))) {
    return {
      area: 'database',
      subject,
      level: 'ok',
      text: 'there is no data yet; `tidemark start` makes the database there',
    }
  }
  try {
    const connection = await connectDatabase({ databaseUrl, dataDir }, silentLogger)
    try {
      const session = await connection.database.dedicatedClient(ANSWER_MS)
      await refuseMoved(session)
      const stands = await readVersion(connection.database)
      const known = (await readMigrations()).length
      return schemaFinding(subject, stands, known)
    } finally {
      await connection.close()
    }
  } catch (error) {
    return failureFinding(subject, error)
  }
}

function schemaFinding(subject: string, stands: number, known: number): Finding {
  if (stands > known) {
    return {
      area: 'database',
      subject,
      level: 'problem',
      text: `its schema has version ${stands}, this Tidemark knows ${known}`,
      advice: 'Use the newer Tidemark that wrote it.',
    }
  }
  const text =
    stands === known
      ? `it answers, commits are durable, and the schema is up to date (version ${stands})`
      : `it answers and commits are durable; the schema is brought from version ${stands} to ${known} at the next start`
  return { area: 'database', subject, level: 'ok', text }
}

function failureFinding(subject: string, error: unknown): Finding {
  if (error instanceof TidemarkError && error.code === 'data_directory_locked') {
    return { area: 'database', subject, level: 'ok', text: `a running Tidemark has it: ${error.message}` }
  }
  const hint = error instanceof TidemarkError ? error.hint : undefined
  const advice = hint ?? 'Check the address, the user’s rights, and that the server runs.'
  return { area: 'database', subject, level: 'problem', text: messageOf(error), advice }
}
