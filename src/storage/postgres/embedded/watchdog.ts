// A process of its own: it waits at the end of a pipe until its owner dies, however that happens, and then stops the
// server the owner has left behind. It uses nothing but Node and its neighbours, and is run by start-watchdog.ts.
import { readFileSync, rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { claimGuard, removeGuards } from './guard.js'
import { listProcesses } from './process-state.js'
import type { ProcessIdentity } from './process-state.js'
import { stopServer } from './stop-server.js'

// Together under the five seconds within which nothing may be left.
const limits = { fastMs: 3_000, immediateMs: 1_000 }

const [dataDir = '', runtimeDir = '', nonce = ''] = process.argv.slice(2)

let guarded: ProcessIdentity | null = null

// The end of the owner is what it waits for. A signal for everyone (a terminal, a service manager) must not remove it first.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

const messages = createInterface({ input: process.stdin })
messages.on('line', (line) => {
  const [pid, startTime, executable] = line.split('\t')
  if (pid === undefined || startTime === undefined) return
  guarded = {
    pid: Number(pid),
    startTime,
    executable: executable === undefined || executable === '' ? null : executable,
  }
})
messages.on('close', () => {
  void clearUp().finally(() => process.exit(0))
})

async function clearUp(): Promise<void> {
  if (!claimGuard(dataDir, nonce)) return
  const server = guarded ?? findByRuntimeDirectory()
  if (server !== null) await stopServer(server, limits)
  rmSync(runtimeDir, { recursive: true, force: true })
  removeGuards(dataDir, nonce)
}

/** The owner may have died between starting the server and telling its pid: its command line names the directory. */
function findByRuntimeDirectory(): ProcessIdentity | null {
  return listProcesses().find((state) => state.name === 'postgres' && namesRuntimeDirectory(state.pid)) ?? null
}

function namesRuntimeDirectory(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(runtimeDir)
  } catch {
    return false
  }
}
