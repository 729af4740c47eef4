import { findRemains } from '../../../src/storage/postgres/embedded/find-cluster-processes.js'
import { openDataDirectory } from '../../../src/storage/postgres/embedded/data-directory.js'
import { runService } from '../../support/service.js'
import type { ServiceProcess } from '../../support/service.js'

/**
 * Whom a `kill -9` meets: the service alone, its process group with the watchdog in it, or the server of its data
 * directory too.
 */
export const victims = ['alone', 'group', 'everything'] as const
export type Victims = (typeof victims)[number]

export interface ServiceSettings {
  readonly folder: string
  /** Null when DATABASE_URL names the server. */
  readonly dataDir: string | null
  readonly port: number
  readonly env: Readonly<Record<string, string>>
}

/** The built service on one port; its data outlives its processes. */
export class ServiceUnderFire {
  readonly #settings: ServiceSettings
  #process: ServiceProcess | null = null
  #starts = 0

  constructor(settings: ServiceSettings) {
    this.#settings = settings
  }

  get url(): string {
    return `http://127.0.0.1:${this.#settings.port}`
  }

  get pid(): number {
    return this.#running().pid
  }

  get starts(): number {
    return this.#starts
  }

  async start(): Promise<void> {
    const { folder, dataDir, port, env } = this.#settings
    this.#process = runService({
      cwd: folder,
      env: { PORT: String(port), ...(dataDir === null ? {} : { TIDEMARK_DATA_DIR: dataDir }), ...env },
      detached: true,
    })
    await this.#process.ready()
    this.#starts += 1
  }

  /** `kill -9`. */
  async kill(whom: Victims): Promise<void> {
    const running = this.#running()
    const servers = whom === 'everything' ? this.databasePids() : []
    process.kill(whom === 'alone' ? running.pid : -running.pid, 'SIGKILL')
    for (const pid of servers) signal(pid, 'SIGKILL')
    await running.exited()
  }

  /** Ends it in good order. */
  async stop(): Promise<void> {
    const running = this.#running()
    running.kill('SIGTERM')
    const { code } = await running.exited()
    if (code !== 0) throw new Error(`expected exit code 0, got ${code}:\n${running.log().slice(-2000)}`)
  }

  send(name: NodeJS.Signals): void {
    process.kill(this.pid, name)
  }

  /** Processes of the embedded server, the postmaster first. */
  databasePids(): number[] {
    const { dataDir } = this.#settings
    return dataDir === null ? [] : serverPids(dataDir)
  }

  /** Ends it however it stands. */
  async dispose(): Promise<void> {
    const running = this.#process
    if (running === null || running.child.exitCode !== null || running.child.signalCode !== null) return
    for (const pid of this.databasePids()) signal(pid, 'SIGCONT')
    signal(running.pid, 'SIGCONT')
    running.kill('SIGTERM')
    const timer = setTimeout(() => signal(-running.pid, 'SIGKILL'), 15_000)
    await running.exited()
    clearTimeout(timer)
  }

  #running(): ServiceProcess {
    if (this.#process === null) throw new Error('the service was not started')
    return this.#process
  }
}

/** Processes of the embedded server of a data directory, the postmaster first. */
export function serverPids(dataDir: string): number[] {
  const { postmaster, processes } = findRemains(openDataDirectory(dataDir))
  const pids = processes.map(({ pid }) => pid)
  return postmaster === null ? pids : [postmaster.pid, ...pids.filter((pid) => pid !== postmaster.pid)]
}

/** Sends a signal; one that is gone already needs none. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name)
    return true
  } catch {
    return false
  }
}
