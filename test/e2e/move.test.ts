import { spawn } from 'node:child_process'
import { readdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import { io } from 'socket.io-client'
import type { Socket } from 'socket.io-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { runService, temporaryFolder } from '../support/service.js'
import type { ServiceProcess } from '../support/service.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'

interface Place {
  readonly seq: number
  readonly log: string
}

const library = resolve(import.meta.dirname, '../../dist/index.js')

describe('tidemark move, backup and restore', { timeout: 180_000 }, () => {
  let folder: string
  let target: TestDatabase
  let processes: ServiceProcess[]
  let sockets: Socket[]

  beforeEach(async () => {
    folder = await temporaryFolder()
    target = await createTestDatabase({ empty: true })
    processes = []
    sockets = []
  })

  afterEach(async () => {
    for (const socket of sockets) socket.disconnect()
    for (const service of processes) if (service.child.exitCode === null) service.kill('SIGTERM')
    await Promise.all(processes.map((service) => service.exited()))
    await target.drop()
    await rm(folder, { recursive: true, force: true })
  })

  const run = (args: readonly string[], env: Record<string, string> = {}): ServiceProcess => {
    const service = runService({ args, cwd: folder, env: { TIDEMARK_DATA_DIR: join(folder, 'data'), ...env } })
    processes.push(service)
    return service
  }

  const end = async (service: ServiceProcess): Promise<number | null> => {
    service.kill('SIGTERM')
    return (await service.exited()).code
  }

  const command = async (
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<{ code: number | null; out: string; told: string }> => {
    const ran = run(args, env)
    const { code } = await ran.exited()
    return { code, out: ran.stdout(), told: ran.log() }
  }

  /** Connects as a viewer that comes back, and collects what it is pushed. */
  const view = async (url: string, place?: Place): Promise<{ place: Place; seqs: number[]; resyncs: string[] }> => {
    const auth = place === undefined ? {} : { since: place.seq, log: place.log }
    const socket = io(url, { path: '/api/socket.io', transports: ['websocket'], auth })
    sockets.push(socket)
    const seqs: number[] = []
    const resyncs: string[] = []
    socket.on('balance:snapshot', ({ seq }: { readonly seq: number }) => seqs.push(seq))
    socket.on('resync', ({ reason }: { readonly reason: string }) => resyncs.push(reason))
    const connected = await new Promise<Place>((done) => socket.once('connected', done))
    return { place: connected, seqs, resyncs }
  }

  const report = async (url: string): Promise<void> => {
    const response = await fetch(`${url}/api/balance/snapshot`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ onchain: { rlb: '1.50' }, onsite: { usd: 2 } }),
    })
    expect(response.status).toBe(200)
    await response.arrayBuffer()
  }

  it('moves to a server through any number of deaths, and viewers go on where they were', async () => {
    const before = run(['start'])
    const url = await before.ready()
    const { place } = await view(url)
    for (let index = 0; index < 20; index += 1) await report(url)
    const refused = await command(['move', '--to', target.url])
    expect(refused).toMatchObject({ code: 7, told: expect.stringContaining(String(before.pid)) as unknown })
    await end(before)

    // While the first table is carried, while a later one is, while both sides are compared.
    for (const [step, calls] of [
      ['copying', 2],
      ['copying', 8],
      ['checking', 3],
    ] as const) {
      expect(await dieWhileMoving(join(folder, 'data'), target.url, { step, calls })).toBe(true)
    }
    expect(await command(['start'])).toMatchObject({
      code: 2,
      told: expect.stringContaining('is being moved to') as unknown,
    })
    const moved = await command(['move', '--to', target.url, '--json'])
    expect(moved).toMatchObject({ code: 0, told: expect.stringContaining('both sides agree') as unknown })
    expect(moved.told + moved.out).not.toContain(target.address.database)
    expect(JSON.parse(moved.out)).toMatchObject({ resumed: true, log: place.log })
    expect(await command(['start'])).toMatchObject({
      code: 2,
      told: expect.stringContaining('was moved to') as unknown,
    })

    const after = run(['start'], { DATABASE_URL: target.url })
    const newUrl = await after.ready()
    const viewer = await view(newUrl, place)
    await report(newUrl)
    const expected = Array.from({ length: 21 }, (_, index) => place.seq + index + 1)
    await until('the viewer has all', () => viewer.seqs.length >= expected.length)
    expect(viewer.seqs).toEqual(expected)
    expect(viewer).toMatchObject({ place: { log: place.log }, resyncs: [] })
    await end(after)
  })

  it('backs up beside a running service, and a restored service tells viewers to read anew', async () => {
    const before = run(['start'])
    const url = await before.ready()
    for (let index = 0; index < 5; index += 1) await report(url)
    const saved = await command(['backup', '--to', folder, '--json'])
    expect(saved.code).toBe(0)
    const { file, seq } = JSON.parse(saved.out) as { file: string; seq: string }
    expect(await readdir(folder)).toContain(file.slice(folder.length + 1))
    for (let index = 0; index < 5; index += 1) await report(url)
    const { place } = await view(url)
    expect(await command(['restore', '--from', file])).toMatchObject({
      code: 7,
      told: expect.stringContaining(String(before.pid)) as unknown,
    })
    await end(before)

    const elsewhere = { TIDEMARK_DATA_DIR: join(folder, 'restored') }
    expect(await command(['restore', '--from', file], elsewhere)).toMatchObject({ code: 0 })
    const after = run(['start'], elsewhere)
    const newUrl = await after.ready()
    const viewer = await view(newUrl, place)
    await until('the viewer is told', () => viewer.resyncs.length > 0)
    expect(viewer.resyncs).toEqual(['log_changed'])
    expect(viewer.place.seq).toBe(Number(seq))
    const listed = (await (await fetch(`${newUrl}/api/balance/snapshot`)).json()) as {
      data: { pagination: { total: number } }
    }
    expect(listed.data.pagination.total).toBe(5)
    await end(after)
  })

  it('starts its help from examples, and says what is missing', async () => {
    expect((await command(['move', '--help'])).out).toMatch(/^Examples:\n.*tidemark move --to postgresql/)
    expect(await command(['move'])).toMatchObject({
      code: 2,
      told: expect.stringContaining('--to: expected') as unknown,
    })
    expect(await command(['backup', '--to', folder])).toMatchObject({
      code: 2,
      told: expect.stringContaining('TIDEMARK_DATA_DIR') as unknown,
    })
    expect(await readdir(folder)).toEqual([])
  })
})

interface Death {
  readonly step: 'copying' | 'checking'
  readonly calls: number
}

/** Moves in a process that kills itself when a step's progress was told so many times; true when it came to that. */
async function dieWhileMoving(dataDir: string, to: string, { step, calls }: Death): Promise<boolean> {
  const program = `
    import { moveDatabase } from ${JSON.stringify(library)}
    let calls = 0
    const onProgress = ({ step }) => {
      if (step === ${JSON.stringify(step)}) calls += 1
      if (calls === ${calls}) process.kill(process.pid, 'SIGKILL')
    }
    const settings = { databaseUrl: null, dataDir: ${JSON.stringify(dataDir)} }
    await moveDatabase(settings, { to: ${JSON.stringify(to)}, sourceName: 'a', targetName: 'b', pagesAtOnce: 1, onProgress })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const signal = await new Promise<NodeJS.Signals | null>((done) => child.on('exit', (_code, by) => done(by)))
  return signal === 'SIGKILL'
}
