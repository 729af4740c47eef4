import { join } from 'node:path'
import { readFileSync } from 'node:fs'

import pg from 'pg'

import { parsePostmasterFile } from '../../../src/storage/postgres/embedded/find-cluster-processes.js'
import { databaseName, serverUserName } from '../../../src/storage/postgres/embedded/ownership-lock.js'
import type { ReportedBook } from '../../../src/model/snapshot.js'
import { contentOf } from './history.js'
import type { Stored } from './history.js'

/** Where the embedded server of a data directory listens at the moment. */
export function embeddedAddress(dataDir: string): pg.ClientConfig {
  const file = parsePostmasterFile(readFileSync(join(dataDir, 'postgres/postmaster.pid'), 'utf8'))
  if (file === null) throw new Error(`expected a running server in ${dataDir}, got none`)
  return { host: file.socketDir, port: file.port, user: serverUserName, database: databaseName }
}

interface Row {
  readonly seq: string
  readonly id: string
  readonly key: string | null
  readonly ts: Date
  readonly pid: string | null
  readonly onchain: ReportedBook
  readonly onsite: ReportedBook
}

/** Reads the tables with statements of its own, at one instant. */
export async function readStored(address: pg.ClientConfig): Promise<Stored> {
  const client = new pg.Client(address)
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query('begin isolation level repeatable read')
    const rows = await client.query<Row>(
      `select seq, id, idempotency_key as key, ts, pid, onchain, onsite from tidemark."BalanceSnapshot" order by seq`,
    )
    const log = await client.query<{ seq: string; id: string }>(
      `select seq, coalesce(snapshot_id::text, type) as id from tidemark.event order by seq`,
    )
    const head = await client.query<{ seq: string }>('select seq from tidemark.event_log')
    return {
      rows: rows.rows.map(({ seq, id, key, ts, pid, onchain, onsite }) => ({
        seq: Number(seq),
        id,
        key,
        ts: ts.toISOString(),
        content: contentOf({ pid: pid === null ? null : Number(pid), onchain, onsite }),
      })),
      log: log.rows.map(({ seq, id }) => ({ seq: Number(seq), id })),
      head: Number(head.rows[0]?.seq),
    }
  } finally {
    await client.end()
  }
}
