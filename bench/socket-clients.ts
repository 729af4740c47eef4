/** The clients of a measurement, in a process of their own: `fork` it with a task as its argument. */
import { setTimeout as sleep } from 'node:timers/promises'

import { median, quantile } from './quantile.js'
import { openRawSocket } from '../test/support/raw-socket.js'
import type { RawSocket } from '../test/support/raw-socket.js'

/** What the clients are to do. */
export type ClientTask =
  | {
      readonly kind: 'report'
      readonly url: string
      readonly sockets: number
      readonly inFlight: number
      readonly seconds: number
    }
  | {
      readonly kind: 'watch'
      readonly url: string
      readonly viewers: number
      readonly perSecond: number
      readonly seconds: number
    }
  | { readonly kind: 'idle'; readonly url: string; readonly sockets: number }
  | {
      readonly kind: 'stuck'
      readonly url: string
      readonly stuck: number
      readonly perSecond: number
      readonly seconds: number
    }

export interface ReportFigures {
  readonly acknowledgedPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Acknowledged in all, warm-up included. */
  readonly total: number
  /** Of those acknowledged, what the viewer did not get. */
  readonly unseen: number
}

export interface WatchFigures {
  readonly sent: number
  readonly expected: number
  readonly delivered: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface StuckFigures {
  readonly sent: number
  readonly delivered: number
}

const report = {
  ts: '2025-11-07T00:45:08.603Z',
  pid: 1132978,
  onchain: { rlb: 100074.99978, usdt: 7656.36 },
  onsite: { rlb: 101132.407627, usd: 7646.96 },
} as const
const WARM_UP_MS = 2000
/** The longest that what is under way may take at the end. */
const SETTLE_MS = 10_000
/** A report near the largest there can be. */
const largeBook = Object.fromEntries(
  Array.from({ length: 64 }, (_, index) => [`asset-with-a-long-name-${index}`, '9'.repeat(70)]),
)

const text = process.argv[2]
if (text !== undefined) {
  const result = await run(JSON.parse(text) as ClientTask)
  process.send?.(result)
}

function run(task: ClientTask): Promise<unknown> {
  switch (task.kind) {
    case 'report':
      return reportAsFastAsPossible(task)
    case 'watch':
      return watch(task)
    case 'idle':
      return idle(task)
    case 'stuck':
      return besideStuckReaders(task)
  }
}

async function reportAsFastAsPossible(task: ClientTask & { kind: 'report' }): Promise<ReportFigures> {
  const viewer = await openRawSocket(task.url)
  let seen = 0
  viewer.onEvent = (event) => {
    if (event.startsWith('["balance:snapshot"')) seen += 1
  }
  const latenciesMs: number[] = []
  let acknowledged = 0
  let measuring = false
  let stopped = false
  let sent = 0
  const sockets = await openMany(task.url, task.sockets, { events: false })
  for (const [index, socket] of sockets.entries()) {
    const sentAt: number[] = []
    const send = (): void => {
      sent += 1
      sentAt.push(performance.now())
      socket.emit('balance:update', report)
    }
    socket.onEvent = (event) => {
      if (!event.startsWith('["balance:ack"')) throw new Error(`expected an acknowledgement, got ${event}`)
      acknowledged += 1
      const tookMs = performance.now() - (sentAt.shift() ?? Number.NaN)
      if (measuring) latenciesMs.push(tookMs)
      if (!stopped) send()
    }
    const share = Math.floor(task.inFlight / task.sockets) + (index < task.inFlight % task.sockets ? 1 : 0)
    for (let count = 0; count < share; count += 1) send()
  }
  await sleep(WARM_UP_MS)
  const [before, startedAt] = [acknowledged, performance.now()]
  measuring = true
  await sleep(task.seconds * 1000)
  const acknowledgedPerSecond = ((acknowledged - before) * 1000) / (performance.now() - startedAt)
  measuring = false
  stopped = true
  await until(() => acknowledged === sent && seen >= acknowledged)
  closeAll([viewer, ...sockets])
  return {
    acknowledgedPerSecond,
    p50Ms: median(latenciesMs),
    p99Ms: quantile(latenciesMs, 0.99),
    unseen: acknowledged - seen,
    total: acknowledged,
  }
}

async function watch(task: ClientTask & { kind: 'watch' }): Promise<WatchFigures> {
  const reporter = await openRawSocket(task.url, { events: false })
  const viewers = await openMany(task.url, task.viewers)
  const sentAt: number[] = []
  const latenciesMs: number[] = []
  let delivered = 0
  const pid = /"pid":(\d+)/
  for (const viewer of viewers) {
    viewer.onEvent = (event) => {
      const number = Number(pid.exec(event)?.[1])
      const at = sentAt[number - 1]
      if (at === undefined) return
      delivered += 1
      latenciesMs.push(performance.now() - at)
    }
  }
  // A ramp first: nothing is counted of it.
  for (let rate = task.perSecond / 5; rate <= task.perSecond; rate *= 2) {
    await paced(Math.round(rate * 2), rate, () => reporter.emit('balance:update', { ...report, pid: 2 ** 31 - 1 }))
  }
  await sleep(500)
  const count = task.perSecond * task.seconds
  await paced(count, task.perSecond, (index) => {
    sentAt.push(performance.now())
    reporter.emit('balance:update', { ...report, pid: index + 1 })
  })
  const expected = count * task.viewers
  await until(() => delivered >= expected)
  closeAll([reporter, ...viewers])
  return {
    sent: count,
    expected,
    delivered,
    p50Ms: median(latenciesMs),
    p99Ms: quantile(latenciesMs, 0.99),
  }
}

/** Opens connections and keeps them until the parent has looked. */
async function idle(task: ClientTask & { kind: 'idle' }): Promise<number> {
  const sockets = await openMany(task.url, task.sockets)
  process.once('message', () => {
    closeAll(sockets)
    process.disconnect()
  })
  return sockets.length
}

async function besideStuckReaders(task: ClientTask & { kind: 'stuck' }): Promise<StuckFigures> {
  const reporter = await openRawSocket(task.url, { events: false })
  const viewer = await openRawSocket(task.url)
  let delivered = 0
  viewer.onEvent = () => (delivered += 1)
  for (const { socket } of await openMany(task.url, task.stuck)) socket.pause()
  const count = task.perSecond * task.seconds
  await paced(count, task.perSecond, () => reporter.emit('balance:update', { onchain: largeBook, onsite: largeBook }))
  await until(() => delivered >= count)
  reporter.socket.terminate()
  viewer.socket.terminate()
  return { sent: count, delivered }
}

async function openMany(url: string, count: number, auth: object = {}): Promise<RawSocket[]> {
  const sockets: RawSocket[] = []
  while (sockets.length < count) {
    const some = Math.min(50, count - sockets.length)
    sockets.push(...(await Promise.all(Array.from({ length: some }, () => openRawSocket(url, auth)))))
  }
  return sockets
}

async function paced(count: number, perSecond: number, work: (index: number) => void): Promise<void> {
  const startedAt = performance.now()
  for (let index = 0; index < count;) {
    const due = Math.min(count, Math.floor(((performance.now() - startedAt) * perSecond) / 1000) + 1)
    for (; index < due; index += 1) work(index)
    await sleep(1)
  }
}

async function until(isDone: () => boolean): Promise<void> {
  const deadline = performance.now() + SETTLE_MS
  while (!isDone() && performance.now() < deadline) await sleep(20)
}

function closeAll(sockets: readonly RawSocket[]): void {
  for (const { socket } of sockets) {
    socket.removeAllListeners('close')
    socket.terminate()
  }
}
