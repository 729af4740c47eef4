import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'

import { afterEach, describe, expect, it, vi } from 'vitest'

import { greet, startPlayedService } from '../../test/support/played-service.js'
import type { PlayedService } from '../../test/support/played-service.js'
import { until } from '../../test/support/until.js'
import type { Reporter } from './index.js'
import { createClient } from './index.js'

type Answer = Record<string, unknown>
type Update = { readonly id: string; readonly pid: number }

const closers: (() => Promise<unknown>)[] = []
const report = (pid: number) => ({ pid, onchain: { eth: 1 }, onsite: { eth: 1 } })
const refused = (code: string, details?: Answer): Answer => ({ success: false, error: code, code, details })

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

/** A service that answers the updates it gets in turn as told, and then acknowledges all. */
async function serve(answers: readonly Answer[]): Promise<PlayedService & { readonly updates: readonly Update[] }> {
  const left = [...answers]
  const updates: Update[] = []
  const service = await startPlayedService({
    onConnection: (socket) => {
      greet(socket, 0)
      socket.on('balance:update', (update: Update, acknowledge: (answer: Answer) => void) => {
        updates.push(update)
        acknowledge(left.shift() ?? { success: true, id: update.id, timestamp: '2025-11-07T00:45:08.603Z' })
      })
    },
  })
  closers.push(() => service.close())
  return { ...service, updates }
}

function reporterOf(url: string, settings: Parameters<ReturnType<typeof createClient>['reporter']>[0] = {}): Reporter {
  const client = createClient({ url, retryFirstMs: 1, retryMostMs: 4 })
  closers.push(() => client.close())
  return client.reporter(settings)
}

describe('a report that the service cannot take now', () => {
  it.each(['overloaded', 'storage_unavailable', 'unavailable', 'not_ready', 'closed', 'rate_limited'])(
    'is sent again with the same key: %s',
    async (code) => {
      const service = await serve([refused(code), refused(code)])
      await reporterOf(service.url).report(report(1))
      expect(service.updates).toHaveLength(3)
      expect(new Set(service.updates.map(({ id }) => id)).size).toBe(1)
      expect(service.handshakes).toHaveLength(1)
    },
  )

  it('waits as long as the service asks, and keeps its place', async () => {
    const service = await serve([refused('rate_limited', { retryAfterMs: 300 })])
    const reporter = reporterOf(service.url, { inFlightMax: 1 })
    const startedMs = performance.now()
    await Promise.all([reporter.report(report(1)), reporter.report(report(2))])
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(295)
    expect(service.updates.map(({ pid }) => pid)).toEqual([1, 1, 2])
  })

  it('is given up after some tries when it is the fault of the service, and may be stored then', async () => {
    const service = await serve(Array.from({ length: 5 }, () => refused('internal')))
    const reporter = reporterOf(service.url)
    await expect(reporter.report(report(1))).rejects.toMatchObject({ code: 'internal', outcome: 'unknown' })
    expect(service.updates).toHaveLength(5)
  })
})

describe('reports that wait', () => {
  it('are sent in the order in which they were made, no more at once than allowed', async () => {
    const waiting: (() => void)[] = []
    const pids: number[] = []
    const service = await startPlayedService({
      onConnection: (socket) => {
        greet(socket, 0)
        socket.on('balance:update', (update: Update, acknowledge: (answer: Answer) => void) => {
          pids.push(update.pid)
          waiting.push(() => acknowledge({ success: true, id: update.id, timestamp: '' }))
          if (waiting.length === 4) setTimeout(() => waiting.splice(0).forEach((answer) => answer()), 5)
          expect(waiting.length).toBeLessThanOrEqual(4)
        })
      },
    })
    closers.push(() => service.close())
    const reporter = reporterOf(service.url, { inFlightMax: 4 })
    await Promise.all(Array.from({ length: 40 }, (_, pid) => reporter.report(report(pid + 1))))
    expect(pids).toEqual(Array.from({ length: 40 }, (_, pid) => pid + 1))
  })

  it('are all waited for by flush, also those that are refused', async () => {
    const service = await serve([refused('invalid_snapshot')])
    const reporter = reporterOf(service.url, { inFlightMax: 1 })
    const answers = [reporter.report(report(1)), reporter.report(report(2))].map((answer) =>
      answer.then(() => 'stored').catch(() => 'refused'),
    )
    await reporter.flush()
    expect(reporter.pending).toBe(0)
    expect(await Promise.all(answers)).toEqual(['refused', 'stored'])
  })
})

describe('a connection', () => {
  it('is tried again when the service has no room at first, after the time it asks for', async () => {
    const service = await startPlayedService({
      admit: (_handshake, attempt) => (attempt < 3 ? refused('overloaded', { retryAfterMs: 100 }) : null),
      onConnection: (socket) => greet(socket, 0),
    })
    closers.push(() => service.close())
    const startedMs = performance.now()
    const reporter = reporterOf(service.url)
    const errors: unknown[] = []
    await new Promise<void>((resolve) => {
      reporter.on('state', ({ state, error }) => {
        if (error !== null) errors.push(error.code)
        if (state === 'live') resolve()
      })
    })
    expect(errors).toEqual(['overloaded', 'overloaded'])
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(195)
  })

  it('comes back after the service has disconnected it', async () => {
    let connections = 0
    const service = await startPlayedService({
      onConnection: (socket) => {
        connections += 1
        greet(socket, 0)
        if (connections < 3) socket.disconnect(true)
      },
    })
    closers.push(() => service.close())
    const reporter = reporterOf(service.url)
    await new Promise<void>((resolve) => {
      reporter.on('state', ({ state }) => state === 'live' && connections === 3 && resolve())
    })
    expect(service.handshakes).toHaveLength(3)
  })

  it('is tried again when the service says nothing', async () => {
    let connections = 0
    const service = await startPlayedService({
      onConnection: (socket) => {
        connections += 1
        if (connections > 1) greet(socket, 0)
      },
    })
    closers.push(() => service.close())
    const client = createClient({ url: service.url, connectTimeoutMs: 200, retryFirstMs: 1 })
    closers.push(() => client.close())
    const reporter = client.reporter()
    const errors: unknown[] = []
    await new Promise<void>((resolve) => {
      reporter.on('state', ({ state, error }) => {
        if (error !== null) errors.push(error.code)
        if (state === 'live') resolve()
      })
    })
    expect(errors).toEqual(['timeout'])
  })

  it('is given up and tried again when nobody answers at the other end, and left when it is closed', async () => {
    const sockets = new Set<Socket>()
    let opened = 0
    const silent = createServer((socket) => {
      opened += 1
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => sockets.delete(socket))
      socket.resume()
    }).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    closers.push(async () => (silent.close(), await once(silent, 'close')))
    const { port } = silent.address() as AddressInfo
    const client = createClient({ url: `http://127.0.0.1:${port}`, connectTimeoutMs: 50, retryFirstMs: 1 })
    const reporter = client.reporter()
    const report1 = reporter.report(report(1)).catch((error: unknown) => error)
    await until('it has tried again', () => opened >= 3)
    await client.close()
    expect(await report1).toMatchObject({ code: 'closed', outcome: 'not_stored' })
    await until('it has left', () => sockets.size === 0)
  })

  it('can be closed by whoever hears of it, and begins no pause then', async () => {
    const service = await serve(Array.from({ length: 3 }, () => refused('overloaded', { retryAfterMs: 60_000 })))
    const setTimer = vi.spyOn(globalThis, 'setTimeout')
    for (const name of ['state', 'retry'] as const) {
      const client = createClient({ url: service.url })
      const reporter = client.reporter()
      reporter.on(name, () => void client.close())
      await reporter.report(report(1)).catch((error: unknown) => expect(error).toMatchObject({ code: 'closed' }))
      expect(reporter.state).toBe('closed')
    }
    const pauses = setTimer.mock.calls.filter(([, delayMs]) => delayMs === 60_000)
    setTimer.mockRestore()
    expect(pauses).toEqual([])
  })
})
