// Free of dependencies: the watchdog runs this file in a process of its own.
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isRunning, pidNamespace, readProcess } from './process-state.js'
import type { ProcessIdentity } from './process-state.js'

// The guard is one file in the data directory that says which watchdog answers for the running server:
// `guard-<nonce>`. Renaming it is atomic, so of a watchdog that wants to stop the server and a new owner that wants to
// adopt it exactly one succeeds.
const guardPrefix = 'guard-'
const stoppingPrefix = 'stopping-'

/** A process, and the pid namespace in which its pid means something. */
export interface Owner extends ProcessIdentity {
  readonly namespace: string
}

/** This very process as an owner. */
export function currentOwner(): Owner {
  const self = readProcess(process.pid)
  return { pid: process.pid, startTime: self?.startTime ?? '', executable: null, namespace: pidNamespace() }
}

/** True unless the owner is known to be dead. Seen from another namespace a pid says nothing, so such a one counts as alive. */
export function isOwnerAlive(owner: Owner): boolean {
  return owner.namespace !== pidNamespace() || isRunning(owner)
}

/** Names the current process as owner and `nonce` as the watchdog that answers for the server. */
export function createGuard(dataDir: string, nonce: string): void {
  writeFileSync(join(dataDir, guardPrefix + nonce), JSON.stringify(currentOwner()), { mode: 0o600 })
}

/** Puts a new watchdog in the place of the old one; false when the old one has begun to stop the server. */
export function takeOverGuard(dataDir: string, nonce: string): boolean {
  const [current] = guardNames(dataDir, guardPrefix)
  if (current === undefined || !tryRename(dataDir, current, guardPrefix + nonce)) return false
  createGuard(dataDir, nonce)
  return true
}

/**
 * Claims the right to stop the server, for the owner or its watchdog; false when another owner has adopted it. With no
 * guard left at all (somebody deleted the data directory) nobody else can have done so.
 */
export function claimGuard(dataDir: string, nonce: string): boolean {
  if (tryRename(dataDir, guardPrefix + nonce, stoppingPrefix + nonce)) return true
  return guardNames(dataDir, guardPrefix).length === 0
}

/** True while a watchdog has claimed the server. */
export function isBeingStopped(dataDir: string): boolean {
  return guardNames(dataDir, stoppingPrefix).length > 0
}

/** Removes the guard of one watchdog, or of all of them. */
export function removeGuards(dataDir: string, nonce: string = ''): void {
  for (const prefix of [guardPrefix, stoppingPrefix]) {
    for (const name of guardNames(dataDir, prefix + nonce)) rmSync(join(dataDir, name), { force: true })
  }
}

/** The owner that the guard names, or null when there is none or it was cut off while being written. */
export function readGuardOwner(dataDir: string): Owner | null {
  const [name] = guardNames(dataDir, guardPrefix)
  if (name === undefined) return null
  try {
    const value: unknown = JSON.parse(readFileSync(join(dataDir, name), 'utf8'))
    return isOwner(value) ? value : null
  } catch {
    return null
  }
}

function isOwner(value: unknown): value is Owner {
  if (typeof value !== 'object' || value === null) return false
  if (!('pid' in value && 'startTime' in value && 'namespace' in value && 'executable' in value)) return false
  const { pid, startTime, namespace, executable } = value
  return (
    typeof pid === 'number' && typeof startTime === 'string' && typeof namespace === 'string' && executable === null
  )
}

function guardNames(dataDir: string, prefix: string): string[] {
  try {
    return readdirSync(dataDir).filter((name) => name.startsWith(prefix))
  } catch {
    return []
  }
}

function tryRename(dataDir: string, from: string, to: string): boolean {
  try {
    renameSync(join(dataDir, from), join(dataDir, to))
    return true
  } catch {
    return false
  }
}
