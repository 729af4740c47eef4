// Owner of an embedded PostgreSQL in a process of its own, so that a test can kill it. It prints one JSON object per line,
// reads commands from stdin ("write", "stop") and stops on SIGTERM.
import { createInterface } from 'node:readline'
import { Client } from 'pg'
import { TidemarkError } from '../../src/model/errors.js'
import { silentLogger } from '../../src/model/logger.js'
import { startEmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'
import type { EmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'

const [dataDir = '', nativeDir] = process.argv.slice(2)

function tell(event: string, fields: object = {}): void {
  // Written at once: an acknowledged row must have been told when the kill arrives.
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`)
}

async function writeRows(server: EmbeddedPostgres): Promise<void> {
  const client = new Client(server.connection)
  client.on('error', () => {})
  await client.connect()
  await client.query('create table if not exists acked (n bigint primary key)')
  const { rows } = await client.query<{ last: string }>('select coalesce(max(n), 0) as last from acked')
  for (let n = Number(rows[0]?.last ?? 0) + 1; ; n++) {
    await client.query('insert into acked values ($1)', [n])
    tell('acked', { n })
  }
}

async function stop(server: EmbeddedPostgres): Promise<void> {
  await server.stop()
  tell('stopped')
  process.exit(0)
}

try {
  const server = await startEmbeddedPostgres({
    dataDir,
    nativeDir,
    logger: silentLogger,
    onServerExit: (reason) => tell('lost', { reason }),
  })
  process.on('SIGTERM', () => void stop(server))
  createInterface({ input: process.stdin }).on('line', (command) => {
    if (command === 'stop') void stop(server)
    if (command === 'write') void writeRows(server).catch((error: unknown) => tell('ended', { message: String(error) }))
  })
  tell('started', { origin: server.origin, serverPid: server.serverPid, host: server.connection.host })
} catch (error) {
  const known = error instanceof TidemarkError
  tell('failed', { code: known ? error.code : '', message: String(error), details: known ? error.details : undefined })
  process.exitCode = 1
}
