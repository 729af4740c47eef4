import { readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { createClient } from '../../src/client/index.js'
import { fillRecords, filledBalance, openRecords } from '../integration/records-fixture.js'
import type { RecordsFixture } from '../integration/records-fixture.js'
import { chainId, solver } from '../integration/ledger-store-fixture.js'
import { longTimeoutMs, times } from '../support/long.js'
import { until } from '../support/until.js'
import { runService, temporaryFolder } from '../support/service.js'
import type { ServiceProcess } from '../support/service.js'

/** Records besides the first one; a line is some 700 characters. */
const COUNT = times(50_000, 1_000_000)
/** Less than what the stopped readers below have asked for, and very much less than all lines of the long form. */
const GROWTH_MAX_MIB = 64
/** Together they ask for some 140 MB or more, of which the kernel takes 10 MB each. */
const STOPPED = 4
/** A tick is 10 ms of a core: this much in half a second is what a service does that has nothing to do. */
const IDLE_TICKS = 6
const position = { chainId, token: 'native', solver }

let fixture: RecordsFixture
let folder: string
let service: ServiceProcess
let url: string

beforeAll(async () => {
  fixture = await openRecords()
  await fixture.start({ native: 0n, erc20: 1n })
  await fillRecords(fixture, fixture.native, COUNT)
  folder = await temporaryFolder()
  service = runService({
    cwd: folder,
    env: { DATABASE_URL: fixture.testDatabase.url, ETHEREUM_RPC_URL: 'http://127.0.0.1:9', SOLVER_ADDRESSES: solver },
  })
  url = await service.ready()
}, longTimeoutMs)

afterAll(async () => {
  service.kill('SIGTERM')
  await service.exited()
  await fixture.close()
  await rm(folder, { recursive: true, force: true })
})

/** The kernel's figure. */
async function residentMiB(): Promise<number> {
  const status = await readFile(`/proc/${service.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}

async function cpuTicks(): Promise<number> {
  const fields = (await readFile(`/proc/${service.pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  return Number(fields[11]) + Number(fields[12])
}

/** Resolves when the service has done all that it is going to do. */
async function untilIdle(): Promise<void> {
  let before = -Infinity
  await until(
    'the service has nothing more to do',
    async () => {
      const now = await cpuTicks()
      const spent = now - before
      before = now
      await delay(500)
      return spent <= IDLE_TICKS
    },
    longTimeoutMs,
  )
}

/** The most that the service's process held while something was done. */
async function peakOf(work: () => Promise<void>): Promise<number> {
  let peak = await residentMiB()
  const timer = setInterval(() => {
    void residentMiB().then((now) => (peak = Math.max(peak, now)))
  }, 50)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  return Math.max(peak, await residentMiB())
}

async function readAll(): Promise<void> {
  let left = COUNT
  for await (const { balance } of createClient({ url }).streamHistory(position)) {
    if (balance !== filledBalance(left).toString()) throw new Error(`expected record ${left}, got ${balance}`)
    left -= 1
  }
  expect(left).toBe(-1)
}

describe.skipIf(process.platform !== 'linux')('a history of any length', () => {
  it(
    'is streamed in flat memory',
    async () => {
      for await (const { blockNumber } of createClient({ url }).streamHistory(position, { fromBlock: 30_000 })) {
        if (blockNumber === '30000') break
      }
      const before = await residentMiB()
      const peak = await peakOf(readAll)
      console.error(`${COUNT} records: ${before.toFixed(0)} MiB before, ${peak.toFixed(0)} MiB at most`)
      expect(peak - before).toBeLessThan(GROWTH_MAX_MIB)
    },
    longTimeoutMs,
  )

  it(
    'costs the service nothing while its readers have stopped reading',
    async () => {
      const before = await residentMiB()
      const sockets: Socket[] = []
      const peak = await peakOf(async () => {
        for (let index = 0; index < STOPPED; index += 1) {
          const socket = connect(Number(new URL(url).port), '127.0.0.1')
          sockets.push(socket)
          await new Promise((resolve) => socket.once('connect', resolve))
          socket.write(`GET /api/balances/1/native/${solver}/history.ndjson HTTP/1.1\r\nHost: localhost\r\n\r\n`)
          socket.pause()
        }
        await delay(500)
        await untilIdle()
      })
      for (const socket of sockets) socket.destroy()
      console.error(`${STOPPED} stopped readers: ${before.toFixed(0)} MiB before, ${peak.toFixed(0)} MiB at most`)
      expect(peak - before).toBeLessThan(GROWTH_MAX_MIB)
    },
    longTimeoutMs,
  )
})
