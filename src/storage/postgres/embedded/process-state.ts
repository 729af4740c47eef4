// Free of dependencies: the watchdog runs this file in a process of its own.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** One process for good: a pid alone may be given to another process later. */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks between boot and the start of the process; empty on platforms without /proc. */
  readonly startTime: string
  /** Path of the executable, or null where it may not be read. */
  readonly executable: string | null
}

/** What /proc tells every user about a process. */
export interface ProcessState extends ProcessIdentity {
  readonly parentPid: number
  readonly name: string
}

/** True where processes can be told apart by their start time. Elsewhere (macOS) only a pid is known. */
export const hasProcFs: boolean = process.platform === 'linux'

/** Reads one line of /proc/<pid>/stat; null for a zombie, which holds neither memory nor files any more. */
export function parseProcStat(text: string): Omit<ProcessState, 'pid' | 'executable'> | null {
  // The name stands in parentheses and may itself hold spaces and parentheses.
  const nameEnd = text.lastIndexOf(')')
  const name = text.slice(text.indexOf('(') + 1, nameEnd)
  const fields = text.slice(nameEnd + 2).split(' ')
  const [state, parentPid] = fields
  const startTime = fields[19]
  if (state === undefined || parentPid === undefined || startTime === undefined) return null
  if (state === 'Z' || state === 'X') return null
  return { name, parentPid: Number(parentPid), startTime }
}

/** The live process with this pid, or null. A zombie counts as gone although signals still reach it. */
export function readProcess(pid: number): ProcessState | null {
  if (!Number.isSafeInteger(pid) || pid <= 0) return null
  if (!hasProcFs) return pidExists(pid) ? { pid, startTime: '', executable: null, parentPid: 0, name: '' } : null
  try {
    const stat = parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    return stat === null ? null : { pid, executable: readLink(`/proc/${pid}/exe`), ...stat }
  } catch {
    return null
  }
}

/** True while exactly this process runs. */
export function isRunning(identity: ProcessIdentity): boolean {
  const found = readProcess(identity.pid)
  if (found === null || found.startTime !== identity.startTime) return false
  return found.executable === null || identity.executable === null || found.executable === identity.executable
}

/** Every live process this user may see; empty on platforms without /proc. */
export function listProcesses(): ProcessState[] {
  if (!hasProcFs) return []
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map((pid) => readProcess(Number(pid))).filter((state) => state !== null)
}

/** Sends a signal to exactly this process, and says whether it was there. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isRunning(identity)) return false
  try {
    process.kill(identity.pid, signal)
    return true
  } catch {
    return false
  }
}

/** True when the pid is in use by anything, a zombie included: the test PostgreSQL itself applies to a lock file. */
export function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** Target of a link in /proc without the mark of a deleted file, or null where it may not be read. */
export function readLink(path: string): string | null {
  try {
    return readlinkSync(path).replace(/ \(deleted\)$/, '')
  } catch {
    return null
  }
}

/** The namespace in which this process's pids mean something; empty on platforms without /proc. */
export function pidNamespace(): string {
  return readLink('/proc/self/ns/pid')?.replace(/\D/g, '') ?? ''
}
