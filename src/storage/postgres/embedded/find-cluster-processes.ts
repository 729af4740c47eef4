import { readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import type { DataDirectory } from './data-directory.js'
import { hasProcFs, listProcesses, pidExists, readLink, readProcess } from './process-state.js'
import type { ProcessState } from './process-state.js'

const serverPrograms = new Set(['postgres', 'initdb'])

/** What a server wrote about itself into postmaster.pid. */
export interface PostmasterFile {
  readonly pid: number
  readonly port: number
  readonly socketDir: string
}

/** What is left of an earlier start, or of a live one. */
export interface Remains {
  /** The file as found, whether or not its process lives. */
  readonly file: PostmasterFile | null
  /** The live server that the file names. */
  readonly postmaster: ProcessState | null
  /** Every live process of this data directory, the server included. */
  readonly processes: readonly ProcessState[]
}

/** Looks for live processes of a data directory. */
export function findRemains(directory: DataDirectory): Remains {
  const file = readPostmasterFile(directory.clusterDir)
  const processes = hasProcFs ? listProcesses().filter((state) => belongsTo(state, directory)) : namedProcess(file)
  return { file, postmaster: processes.find((state) => state.pid === file?.pid) ?? null, processes }
}

/**
 * True for a process that works in this data directory. The pid in postmaster.pid alone proves nothing, since it may have
 * been given to another process. Another user's cwd may be unreadable (root in a container without CAP_SYS_PTRACE), so the
 * command line, which carries the cluster's name, counts as well.
 */
function belongsTo(state: ProcessState, directory: DataDirectory): boolean {
  if (!serverPrograms.has(state.name)) return false
  if (readLink(`/proc/${state.pid}/cwd`)?.startsWith(directory.path + sep) === true) return true
  try {
    return readFileSync(`/proc/${state.pid}/cmdline`, 'utf8').includes(directory.token)
  } catch {
    return false
  }
}

/** Without /proc the pid of the file has to do; such a process is adopted when it answers but never signalled. */
function namedProcess(file: PostmasterFile | null): ProcessState[] {
  const state = file !== null && pidExists(file.pid) ? readProcess(file.pid) : null
  return state === null ? [] : [state]
}

function readPostmasterFile(clusterDir: string): PostmasterFile | null {
  try {
    return parsePostmasterFile(readFileSync(join(clusterDir, 'postmaster.pid'), 'utf8'))
  } catch {
    return null
  }
}

/** Lines: pid, directory, start time, port, socket directory, …; the later ones are missing while the server starts. */
export function parsePostmasterFile(text: string): PostmasterFile | null {
  const [pid, , , port, socketDir] = text.split('\n')
  if (pid === undefined || !/^-?\d+$/.test(pid)) return null
  return { pid: Math.abs(Number(pid)), port: Number(port ?? 0), socketDir: socketDir ?? '' }
}
