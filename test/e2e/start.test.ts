import { readFileSync, readdirSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { longTimeoutMs, times } from '../support/long.js'
import { runService, temporaryFolder } from '../support/service.js'
import type { ServiceOptions, ServiceProcess } from '../support/service.js'
import { createTestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'

const snapshot = { onchain: { rlb: 1.5 }, onsite: { usd: 2 } }

describe('the service as a process', () => {
  let folder: string
  let processes: ServiceProcess[]

  beforeEach(async () => {
    folder = await temporaryFolder()
    processes = []
  })

  afterEach(async () => {
    for (const service of processes) if (service.child.exitCode === null) service.kill('SIGKILL')
    await Promise.all(processes.map((service) => service.exited()))
    await until('no server of the data directory is left', () => serversOf(folder).length === 0)
    await rm(folder, { recursive: true, force: true })
  })

  const run = (env: Record<string, string> = {}, options: Partial<ServiceOptions> = {}): ServiceProcess => {
    const service = runService({ cwd: folder, env: { TIDEMARK_DATA_DIR: join(folder, 'data'), ...env }, ...options })
    processes.push(service)
    return service
  }

  const post = (url: string, body: unknown): Promise<Response> =>
    fetch(`${url}/api/balance/snapshot`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })

  const storedIds = async (url: string): Promise<string[]> => {
    const answer = (await (await fetch(`${url}/api/balance/snapshot?limit=500`)).json()) as {
      data: { snapshots: { id: string }[] }
    }
    return answer.data.snapshots.map(({ id }) => id)
  }

  it('serves snapshots without any chain, and says in one line how to add one', async () => {
    const service = run()
    const url = await service.ready()
    expect((await post(url, snapshot)).status).toBe(200)
    expect(
      service
        .log()
        .split('\n')
        .filter((line) => line.includes('ETHEREUM_RPC_URL')),
    ).toHaveLength(1)
  })

  it('is refused with exit code 7 and the holder’s pid when another one has the data directory', async () => {
    const first = run()
    await first.ready()
    const second = run()
    expect(await second.exited()).toEqual({ code: 7, signal: null })
    expect(second.log()).toContain(String(first.pid))
    expect((await post(await first.ready(), snapshot)).status).toBe(200)
  })

  it.each([
    ['the process alone', (service: ServiceProcess) => service.kill('SIGKILL')],
    ['its whole process group', (service: ServiceProcess) => process.kill(-service.pid, 'SIGKILL')],
  ])(
    'has every acknowledged snapshot after kill -9 of %s and a restart at once',
    { timeout: longTimeoutMs },
    async (_what, kill) => {
      const acknowledged: string[] = []
      for (let round = 0; round < times(1, 25); round += 1) {
        const killed = run({}, { detached: true })
        await writeUntilKilled(await killed.ready(), acknowledged, () => kill(killed))
      }
      const last = run()
      const stored = new Set(await everyId(await last.ready()))
      expect(acknowledged.filter((id) => !stored.has(id))).toEqual([])
      last.kill('SIGTERM')
      expect(await last.exited()).toEqual({ code: 0, signal: null })
    },
  )

  /** Sends snapshots from eight callers, and kills the service once some were acknowledged. */
  const writeUntilKilled = async (url: string, acknowledged: string[], kill: () => void): Promise<void> => {
    const before = acknowledged.length
    let stopped = false
    const writers = Array.from({ length: 8 }, async () => {
      while (!stopped) {
        try {
          const answer = (await (await post(url, snapshot)).json()) as { data: { id: string } }
          acknowledged.push(answer.data.id)
        } catch {
          stopped = true
        }
      }
    })
    await until('snapshots are acknowledged', () => acknowledged.length > before + 50)
    kill()
    await Promise.all(writers)
  }

  const everyId = async (url: string): Promise<string[]> => {
    const ids: string[] = []
    for (let offset = 0; ; offset += 500) {
      const answer = (await (await fetch(`${url}/api/balance/snapshot?limit=500&offset=${offset}`)).json()) as {
        data: { snapshots: { id: string }[]; pagination: { hasMore: boolean } }
      }
      ids.push(...answer.data.snapshots.map(({ id }) => id))
      if (!answer.data.pagination.hasMore) return ids
    }
  }

  it.each(['SIGTERM', 'SIGINT'] as const)('stops everything on %s, and keeps what it acknowledged', async (signal) => {
    const service = run()
    const url = await service.ready()
    const answer = (await (await post(url, snapshot)).json()) as { data: { id: string } }
    service.kill(signal)
    expect(await service.exited()).toEqual({ code: 0, signal: null })
    expect(serversOf(folder)).toEqual([])
    await expect(fetch(`${url}/livez`)).rejects.toThrow()
    const again = run()
    expect(await storedIds(await again.ready())).toEqual([answer.data.id])
  })

  it('runs on a server that DATABASE_URL names, and starts none of its own', async () => {
    const database = await createTestDatabase({ empty: true })
    try {
      const service = run({ DATABASE_URL: database.url })
      const url = await service.ready()
      expect((await post(url, snapshot)).status).toBe(200)
      expect(serversOf(folder)).toEqual([])
      expect(readdirSync(folder)).toEqual([])
      service.kill('SIGTERM')
      await service.exited()
    } finally {
      await database.drop()
    }
  })

  it('stays up while the server that DATABASE_URL names is not there, and ends at once when told to; a command gives up with code 5', async () => {
    const DATABASE_URL = 'postgresql://somebody:canary-secret@127.0.0.1:1/nothing'
    const command = run({ DATABASE_URL }, { args: ['migrate'] })
    const service = run({ DATABASE_URL })
    await until('it listens', () => /"url":"(http[^"]+)"/.test(service.log()))
    const url = /"url":"(http[^"]+)"/.exec(service.log())?.[1] ?? ''
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    const ready = await fetch(`${url}/readyz`)
    expect(ready.status).toBe(503)
    expect(await ready.json()).toMatchObject({
      code: 'not_ready',
      error: expect.stringContaining('reached') as unknown,
    })
    expect((await post(url, snapshot)).status).toBe(503)
    const startedAt = performance.now()
    service.kill('SIGTERM')
    expect(await service.exited()).toEqual({ code: 0, signal: null })
    expect(performance.now() - startedAt).toBeLessThan(3000)
    expect(service.log()).not.toContain('canary-secret')
    expect(service.log().match(/waiting for the database/g)).toHaveLength(1)
    expect(await command.exited()).toEqual({ code: 5, signal: null })
    expect(command.log()).not.toContain('canary-secret')
  })

  it.each([
    ['PORT', 'eighty', /PORT.*expected.*eighty/s],
    ['SOLVER_ADDRESSES', '0x123', /SOLVER_ADDRESSES.*expected.*0x123/s],
    ['ETHEREUM_RPC_URL', 'ftp://node/canary-secret-path', /ETHEREUM_RPC_URL.*expected/s],
    ['LOG_LEVEL', 'loud', /LOG_LEVEL.*expected.*loud/s],
  ])('stops with exit code 2 when %s is %s, naming it and what was expected', async (name, value, message) => {
    const service = run({ [name]: value })
    expect(await service.exited()).toEqual({ code: 2, signal: null })
    expect(service.log()).toMatch(message)
    expect(service.log()).not.toContain('canary-secret-path')
    expect(readdirSync(folder)).toEqual([])
  })

  it('ends with exit code 2 when the port is taken, and leaves nothing running', async () => {
    const first = run()
    const { port } = new URL(await first.ready())
    const second = run({ PORT: port, TIDEMARK_DATA_DIR: join(folder, 'other') })
    expect(await second.exited()).toEqual({ code: 2, signal: null })
    expect(second.log()).toContain(port)
  })

  it('reads a typed tidemark.config.ts, and a .env file, below the environment', async () => {
    await writeFile(
      join(folder, 'tidemark.config.ts'),
      `import { defineConfig } from 'tidemark'
       export default defineConfig({ solvers: [{ address: '0x742d35Cc8Ebb5295b999C084b9dD5Bf7A93f6c4b', label: 'from-file' as string }], logLevel: 'warn' })`,
    )
    await writeFile(join(folder, '.env'), 'LOG_LEVEL=info\n')
    const service = run()
    const url = await service.ready()
    const solvers = (await (await fetch(`${url}/api/solvers`)).json()) as {
      items: { address: string; label: string }[]
    }
    expect(solvers.items).toMatchObject([{ address: '0x742d35cC8eBB5295b999c084b9dD5bf7A93f6C4b', label: 'from-file' }])
  })

  it('migrates by command, and says what it did', async () => {
    const first = run({}, { args: ['migrate'] })
    expect(await first.exited()).toEqual({ code: 0, signal: null })
    expect(first.stdout()).toMatch(/^Applied 0001_event_log, .*The schema is at version \d+\.\n$/)
    const second = run({}, { args: ['migrate', '--json'] })
    expect(await second.exited()).toEqual({ code: 0, signal: null })
    expect(JSON.parse(second.stdout())).toEqual({ applied: [], version: expect.any(Number) as unknown })
  })

  it('answers an unknown command with exit code 2 and shows help with examples', async () => {
    const unknown = run({}, { args: ['frobnicate'] })
    expect(await unknown.exited()).toEqual({ code: 2, signal: null })
    const help = run({}, { args: ['--help'] })
    expect(await help.exited()).toEqual({ code: 0, signal: null })
    expect(help.stdout()).toMatch(/Examples:[\s\S]*tidemark demo/)
  })
})

/** PostgreSQL servers whose working or data directory lies below a folder. */
function serversOf(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        const state = /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
        return commandLine.includes('postgres') && commandLine.includes(folder) && state !== 'Z'
      } catch {
        return false
      }
    })
}
