// A reporter and viewer of balance snapshots.
//
//   node examples/balance-client.js           sends a snapshot every 5 seconds and prints what happens
//   node examples/balance-client.js --once    sends one, waits until it is stored, and ends
//
// TIDEMARK_URL names the server (http://localhost:3000 when absent), TIDEMARK_API_KEY its key when it needs one.

const { randomUUID } = require('node:crypto')
const io = require('socket.io-client')

const url = process.env.TIDEMARK_URL || 'http://localhost:3000'
const once = process.argv.includes('--once')

const SEND_EVERY_MS = 5_000
const PING_EVERY_MS = 30_000

// Where we are in the server's event log. After a lost connection the server sends what we missed.
let place = { since: undefined, log: undefined }

// Answers after which the same snapshot may be taken later.
const passing = new Set(['storage_unavailable', 'unavailable', 'not_ready', 'overloaded', 'rate_limited', 'closed'])

// Snapshots that are not acknowledged yet, by their id. A repeated id is stored only once, so sending again is safe.
const pending = new Map()

const socket = io(url, {
  path: '/api/socket.io',
  // Called at each connection, so that it tells where we are now.
  auth: (give) => give({ token: process.env.TIDEMARK_API_KEY, ...place }),
})

socket.on('connect', () => {
  console.log(`connected to ${url}`)
  if (once && pending.size === 0) report()
  else for (const snapshot of pending.values()) send(snapshot)
})

socket.on('connected', (data) => {
  console.log(`${data.message} (socket ${data.socketId}, ${data.timestamp})`)
  place = { since: data.seq, log: data.log }
})

socket.on('resync', (data) => {
  console.log(`events were missed (${data.reason}): read GET /api/balance/snapshot for what is stored`)
  place = { since: data.seq, log: data.log }
})

socket.on('balance:ack', (data) => {
  console.log('saved:', data)
})

socket.on('balance:error', (error) => {
  console.error('not saved:', error)
})

socket.on('balance:snapshot', (data) => {
  place = { ...place, since: data.seq }
  console.log('new snapshot:', data)
})

for (const name of ['balance:updated', 'balance:reverted', 'position:started']) {
  socket.on(name, (data) => {
    place = { ...place, since: data.seq }
    console.log(`${name}:`, data)
  })
}

socket.on('pong', (data) => {
  console.log('server is alive:', data.timestamp)
})

socket.on('disconnect', (reason) => {
  console.log(`disconnected: ${reason}`)
  // After every other reason socket.io-client connects again by itself.
  if (reason === 'io server disconnect') socket.connect()
})

socket.on('connect_error', (error) => {
  console.error(`cannot connect to ${url}: ${error.message}`)
  // `active` is false when the server has refused us: trying again would not help.
  if (!socket.active) stop(1)
})

const timers = once
  ? []
  : [setInterval(report, SEND_EVERY_MS), setInterval(() => socket.connected && socket.emit('ping'), PING_EVERY_MS)]

process.once('SIGINT', () => stop(0))
process.once('SIGTERM', () => stop(0))

/** Takes a new snapshot and sends it. Here you would read your own books. */
function report() {
  const snapshot = {
    id: randomUUID(),
    ts: new Date().toISOString(),
    pid: process.pid,
    onchain: { rlb: 100074.99978, usdt: 7656.36 },
    onsite: { rlb: 101132.407627, usd: 7646.96 },
  }
  pending.set(snapshot.id, snapshot)
  if (socket.connected) send(snapshot)
}

/** Sends a snapshot; what is not answered stays pending and goes out again after the next connection. */
function send(snapshot) {
  socket.emit('balance:update', snapshot, (answer) => {
    // The service cannot take it now: keep it. Refused for what it says: sending it again would not help.
    if (!answer.success && passing.has(answer.code)) {
      const waitMs = Math.max(1000, answer.details?.retryAfterMs ?? 0)
      return void setTimeout(() => pending.has(snapshot.id) && socket.connected && send(snapshot), waitMs)
    }
    pending.delete(snapshot.id)
    if (once) stop(answer.success ? 0 : 1)
  })
}

function stop(exitCode) {
  timers.forEach(clearInterval)
  socket.disconnect()
  // No timer may hold the process: it ends as soon as the socket is closed.
  process.exitCode = exitCode
  setTimeout(() => process.exit(exitCode), 1000).unref()
}
