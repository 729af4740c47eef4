import { setTimeout as sleep } from 'node:timers/promises'

import { io } from 'socket.io-client'

import type { WireCurrentBalance } from '../../api/balance-wire.js'
import type { WireError } from '../../api/error-answer.js'
import type { WirePage } from '../../api/page.js'
import { SOCKET_PATH } from '../../api/socket-events.js'
import { buildReport } from './build-report.js'
import { problemText } from './problem-text.js'
import { onParentGone } from './on-parent-gone.js'
import { noReports } from './reporter-status.js'
import type { ReporterStatus } from './reporter-status.js'

// A reporter as an operator would run one: it sends a snapshot every two seconds. Run as `node reporter.js <url>` with
// a channel to the demo, on which it tells how it goes and whose end ends it.

const reportEveryMs = 2_000
const retryMs = 200
const requestTimeoutMs = 5_000
const largestDrift = 0.000_5
const largestDriftStep = 0.000_1

const url = process.argv[2] ?? 'http://127.0.0.1:3000'
let status: ReporterStatus = noReports
let drift = 0

function tell(change: Partial<ReporterStatus>): void {
  status = { ...status, ...change }
  if (process.connected) process.send?.(status)
}

/** A reader's slips and late bookings: the books wander, but never far. */
function nextDrift(): number {
  const step = (Math.random() * 2 - 1) * largestDriftStep
  return Math.max(-largestDrift, Math.min(largestDrift, drift + step))
}

async function readBalances(): Promise<readonly WireCurrentBalance[]> {
  const answer = await fetch(`${url}/api/balances?limit=500`, { signal: AbortSignal.timeout(requestTimeoutMs) })
  if (!answer.ok) throw new Error(`expected the balances, got status ${answer.status}`)
  return ((await answer.json()) as WirePage<WireCurrentBalance>).items
}

/** Sends one snapshot; false when there was nothing to report. */
async function report(): Promise<boolean> {
  drift = nextDrift()
  const sides = buildReport(await readBalances(), drift)
  if (sides === null) return false
  socket.emit('balance:update', { ts: new Date().toISOString(), pid: process.pid, ...sides })
  return true
}

onParentGone(() => process.exit(0))

const socket = io(url, { path: SOCKET_PATH })
socket.on('balance:ack', () => {
  tell({ acknowledged: status.acknowledged + 1, lastAcknowledgedAtMs: Date.now(), lastError: null })
})
socket.on('balance:error', ({ error }: WireError) => tell({ refused: status.refused + 1, lastError: error }))
socket.on('connect_error', ({ message }) => tell({ lastError: message }))

for (;;) {
  let waitMs = reportEveryMs
  try {
    if (!(await report())) waitMs = retryMs
  } catch (error) {
    tell({ lastError: problemText(error) })
  }
  await sleep(waitMs)
}
