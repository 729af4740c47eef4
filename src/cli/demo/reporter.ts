import { setTimeout as sleep } from 'node:timers/promises'

import type { WireCurrentBalance } from '../../client/index.js'
import { createClient } from '../../client/index.js'
import { buildReport } from './build-report.js'
import { problemText } from './problem-text.js'
import { onParentGone } from './on-parent-gone.js'
import { noReports } from './reporter-status.js'
import type { ReporterStatus } from './reporter-status.js'

// A reporter as an operator would run one: it sends a snapshot every two seconds. Run as `node reporter.js <url>` with
// a channel to the demo, on which it tells how it goes and whose end ends it.

const reportEveryMs = 2_000
const retryMs = 200
const largestDrift = 0.000_5
const largestDriftStep = 0.000_1

const client = createClient({ url: process.argv[2] ?? 'http://127.0.0.1:3000', timeoutMs: 5_000 })
const reporter = client.reporter()
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

/** Sends one snapshot, without waiting for the answer; false when there was nothing to report. */
async function report(): Promise<boolean> {
  drift = nextDrift()
  const balances: WireCurrentBalance[] = []
  for await (const balance of client.balances({ limit: 500 })) balances.push(balance)
  const sides = buildReport(balances, drift)
  if (sides === null) return false
  reporter.report({ pid: process.pid, ...sides }).then(
    () => tell({ acknowledged: status.acknowledged + 1, lastAcknowledgedAtMs: Date.now(), lastError: null }),
    (error: unknown) => tell({ refused: status.refused + 1, lastError: problemText(error) }),
  )
  return true
}

onParentGone(() => process.exit(0))

reporter.on('state', ({ error }) => {
  if (error !== null) tell({ lastError: problemText(error) })
})
reporter.on('retry', ({ error }) => tell({ lastError: problemText(error) }))

for (;;) {
  let waitMs = reportEveryMs
  try {
    if (!(await report())) waitMs = retryMs
  } catch (error) {
    tell({ lastError: problemText(error) })
  }
  await sleep(waitMs)
}
