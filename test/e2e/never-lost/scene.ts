import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type pg from 'pg'

import { freePort } from '../chain-service.js'
import { checkHistory, outcomesOf } from './check-history.js'
import type { Outcome, Violation } from './check-history.js'
import type { History } from './history.js'
import { Load } from './load.js'
import { readStored } from './read-stored.js'
import { ServiceUnderFire } from './service-under-fire.js'

const WRITE_TOKEN = 'reporters-of-this-test'
const READ_TOKEN = 'viewers-of-this-test'

/** What came out of a history. */
export interface Verdict {
  readonly violations: readonly Violation[]
  readonly outcomes: Readonly<Record<Outcome, number>>
  readonly history: History
}

/** One run: services, load, and everything that has to be closed after it. */
export class Scene {
  readonly folder: string
  readonly load: Load
  readonly #closing: (() => unknown)[] = []

  private constructor(folder: string, load: Load) {
    this.folder = folder
    this.load = load
    this.#closing.push(() => load.dispose())
  }

  static async open(): Promise<Scene> {
    return new Scene(await mkdtemp(join(tmpdir(), 'tidemark-test-')), await Load.prepare())
  }

  get dataDir(): string {
    return join(this.folder, 'data')
  }

  onClose(close: () => unknown): void {
    this.#closing.push(close)
  }

  /** A service on the scene's own data directory, or on the database that `env` names. Not started yet. */
  async addService(env: Readonly<Record<string, string>> = {}, dataDir = this.dataDir): Promise<ServiceUnderFire> {
    const service = new ServiceUnderFire({
      folder: this.folder,
      dataDir: 'DATABASE_URL' in env ? null : dataDir,
      port: await freePort(),
      env: { API_KEYS: `reporters:write:${WRITE_TOKEN},viewers:read:${READ_TOKEN}`, LOG_LEVEL: 'info', ...env },
    })
    this.onClose(() => service.dispose())
    return service
  }

  begin(options: Omit<Parameters<Load['begin']>[0], 'writeToken' | 'readToken'>): Promise<void> {
    return this.load.begin({ ...options, writeToken: WRITE_TOKEN, readToken: READ_TOKEN })
  }

  /** Lets everything come to rest, reads what is stored and holds the history against it. */
  async judge(address: () => pg.ClientConfig): Promise<Verdict> {
    await this.load.rest()
    const stored = await readStored(address())
    await this.load.follow(stored.head)
    const { reports, viewers } = await this.load.finish()
    const history = { reports, viewers, stored, settled: true }
    return { violations: checkHistory(history), outcomes: outcomesOf(reports), history }
  }

  async close(): Promise<void> {
    const failures: unknown[] = []
    for (const close of this.#closing.toReversed()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 10 })
    if (failures.length > 0) throw failures[0]
  }
}
