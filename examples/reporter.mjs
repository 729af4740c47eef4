// Reports the balances of a book every five seconds, and loses none: what cannot be sent waits and is sent later, once.
//
//   node examples/reporter.mjs           until Ctrl-C
//   node examples/reporter.mjs --once    one report
//
// TIDEMARK_URL names the service (http://localhost:3000 when absent), TIDEMARK_API_KEY its key when it needs one.
// In a project of your own the import is from 'tidemark/client'.

import { createClient } from '../dist/client/index.js'

const REPORT_EVERY_MS = 5_000
/** How long an end waits for what is not acknowledged yet. */
const FLUSH_MS = 5_000

const client = createClient({
  url: process.env.TIDEMARK_URL || 'http://localhost:3000',
  apiKey: process.env.TIDEMARK_API_KEY,
})
const reporter = client.reporter()

reporter.on('state', ({ state, error }) => console.log(error === null ? state : `${state}: ${error.message}`))
reporter.on('retry', ({ id, error }) => console.log(`${id} is sent again: ${error.message}`))

async function report() {
  try {
    // Here you would read your own books. Amounts are exact as text.
    const { id, timestamp } = await reporter.report({
      pid: process.pid,
      onchain: { rlb: '100074.99978', usdt: '7656.36' },
      onsite: { rlb: '101132.407627', usd: '7646.96' },
    })
    console.log(`stored ${id}, taken at ${timestamp}`)
  } catch (error) {
    // `outcome` is `unknown` when it may be stored all the same; reporting it again with `reportId` as `id` is safe.
    console.error(`not acknowledged: ${error.message} (${error.code}, ${error.reportId}, ${error.outcome})`)
    process.exitCode = 1
  }
}

if (process.argv.includes('--once')) {
  await report()
  await client.close()
} else {
  const timer = setInterval(report, REPORT_EVERY_MS)
  const stop = () => {
    clearInterval(timer)
    void client.close({ flushMs: FLUSH_MS })
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  void report()
}
