/** The plain way to take snapshots over Socket.IO: one INSERT each, an acknowledgement, and a push to who watches. */
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'

import pg from 'pg'
import { Server } from 'socket.io'

const POOL_SIZE = 16
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: POOL_SIZE })

/** What the process tells its parent once it listens. */
export interface Listening {
  readonly url: string
}

interface Report {
  readonly ts: string
  readonly pid: number
  readonly onchain: object
  readonly onsite: object
}

await pool.query('create schema if not exists bench')
await pool.query(`create table if not exists bench.snapshot
  (id uuid primary key, ts timestamptz not null, pid integer, onchain jsonb not null, onsite jsonb not null)`)
await pool.query('create index if not exists snapshot_ts on bench.snapshot (ts desc, id desc)')

const http = createServer()
const io = new Server(http, { path: '/api/socket.io' })
io.on('connection', (socket) => {
  if (socket.handshake.auth['events'] !== false) void socket.join('viewers')
  socket.on('balance:update', (report: Report) => void save(report))
  socket.emit('connected', {})

  async function save({ ts, pid, onchain, onsite }: Report): Promise<void> {
    const id = randomUUID()
    await pool.query({
      name: 'insert',
      text: 'insert into bench.snapshot (id, ts, pid, onchain, onsite) values ($1, $2, $3, $4, $5)',
      values: [id, ts, pid, JSON.stringify(onchain), JSON.stringify(onsite)],
    })
    socket.emit('balance:ack', { success: true, id, timestamp: ts })
    io.to('viewers').emit('balance:snapshot', { id, ts, pid, onchain, onsite })
  }
})
http.listen(0, '127.0.0.1', () => {
  const address = http.address()
  if (typeof address === 'object' && address !== null)
    process.send?.({ url: `http://127.0.0.1:${address.port}` } satisfies Listening)
})
