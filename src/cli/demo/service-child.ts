import { rmSync } from 'node:fs'

import { runCli } from '../run-cli.js'
import { onParentGone } from './on-parent-gone.js'

// Runs `tidemark start` as the demo's child, and ends it when the demo is gone, however it went. The demo's folder is
// then ours to remove.

const stopRepeatMs = 100
const stopTimeoutMs = 15_000

const folder = process.argv[2]
let orphaned = false

function removeFolder(): void {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}

onParentGone(() => {
  orphaned = true
  // Repeated, since the command listens only once it is under way.
  setInterval(() => process.emit('SIGTERM', 'SIGTERM'), stopRepeatMs).unref()
  setTimeout(() => {
    removeFolder()
    process.exit(1)
  }, stopTimeoutMs).unref()
})
// The channel alone must not keep the process alive.
process.channel?.unref()

process.exitCode = await runCli([process.execPath, 'tidemark', 'start'])
if (orphaned) removeFolder()
