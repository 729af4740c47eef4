import type { Socket } from 'socket.io'
import { afterEach, describe, expect, it } from 'vitest'

import { greet, startPlayedService } from '../../test/support/played-service.js'
import type { PlayedService } from '../../test/support/played-service.js'
import { until } from '../../test/support/until.js'
import type { LiveFeed, LiveOptions, ResyncNotice } from './index.js'
import { createClient } from './index.js'

const closers: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

const push = (socket: Socket, ...seqs: readonly (number | string)[]): void => {
  for (const seq of seqs) socket.emit('watch-list:changed', { seq })
}

async function serve(
  onConnection: (socket: Socket, since: unknown, connection: number) => void,
): Promise<PlayedService> {
  let connections = 0
  const service = await startPlayedService({
    onConnection: (socket, { since }) => onConnection(socket, since, (connections += 1)),
  })
  closers.push(() => service.close())
  return service
}

function watch(url: string, options: LiveOptions = {}): { feed: LiveFeed; seqs: unknown[]; problems: string[] } {
  const client = createClient({ url, retryFirstMs: 1, retryMostMs: 4 })
  closers.push(() => client.close())
  const feed = client.live(options)
  const seqs: unknown[] = []
  const problems: string[] = []
  feed.on('event', ({ payload }) => seqs.push(payload.seq))
  feed.on('problem', ({ message }) => problems.push(message))
  return { feed, seqs, problems }
}

describe('a viewer', () => {
  it('passes over what it has had already', async () => {
    const service = await serve((socket) => {
      greet(socket, 5)
      push(socket, 4, 5, 6, 6, 7, 5, 8)
    })
    const { seqs, problems } = watch(service.url)
    await until('the last event is there', () => seqs.at(-1) === 8)
    expect(seqs).toEqual([6, 7, 8])
    expect(problems).toEqual([])
  })

  it('asks again for events that are missing, and gets them in their order', async () => {
    const service = await serve((socket, since, connection) => {
      if (connection === 1) {
        greet(socket, 10)
        push(socket, 11, 12, 15, 16)
      } else {
        greet(socket, Number(since))
        push(socket, 13, 14, 15, 16, 17)
      }
    })
    const { feed, seqs, problems } = watch(service.url)
    await until('the last event is there', () => seqs.at(-1) === 17)
    expect(seqs).toEqual([11, 12, 13, 14, 15, 16, 17])
    expect(service.handshakes.map(({ since }) => since)).toEqual([null, '12'])
    expect(problems).toEqual(['events 13 to 14 are missing, asking for them again'])
    expect(feed.place).toEqual({ seq: '17', log: 'a-log' })
  })

  it('does not ask for ever for events that are not there', async () => {
    const service = await serve((socket, since) => {
      greet(socket, since === null ? 0 : Number(since))
      if (Number(since) < 1) push(socket, 1)
      push(socket, 4, 5)
    })
    const { seqs, problems } = watch(service.url)
    await until('the last event is there', () => seqs.at(-1) === 5)
    expect(seqs).toEqual([1, 4, 5])
    expect(problems).toEqual(['events 2 to 3 are missing, asking for them again', 'events 2 to 3 are not in the log'])
    expect(service.handshakes).toHaveLength(2)
  })

  it('counts beyond what a number holds exactly', async () => {
    const service = await serve((socket) => {
      greet(socket, 2 ** 53 - 2)
      push(socket, 2 ** 53 - 1, '9007199254740992', '9007199254740992', '9007199254740993')
    })
    const { feed, seqs } = watch(service.url)
    await until('the last event is there', () => seqs.at(-1) === '9007199254740993')
    expect(seqs).toEqual([2 ** 53 - 1, '9007199254740992', '9007199254740993'])
    expect(feed.place?.seq).toBe('9007199254740993')
  })

  it('is told what it cannot be sent any more, and goes on after it', async () => {
    const service = await serve((socket) => {
      greet(socket, 50, 'another-log')
      socket.emit('resync', { seq: 50, log: 'another-log', reason: 'log_changed' })
      push(socket, 51)
    })
    const saved: unknown[] = []
    const { feed, seqs } = watch(service.url, {
      place: { load: () => ({ seq: '7', log: 'a-log' }), save: (place) => void saved.push(place) },
    })
    const notices: ResyncNotice[] = []
    feed.on('resync', (notice) => notices.push(notice))
    await until('the last event is there', () => seqs.at(-1) === 51)
    expect(service.handshakes).toEqual([expect.objectContaining({ since: '7', log: 'a-log' })])
    expect(notices).toEqual([
      { reason: 'log_changed', before: { seq: '7', log: 'a-log' }, place: { seq: '50', log: 'another-log' } },
    ])
    await feed.close()
    expect(saved.at(-1)).toEqual({ seq: '51', log: 'another-log' })
  })
})

describe('a place', () => {
  it('is stored after its event was handed out, and slow storage holds nobody up', async () => {
    const service = await serve((socket) => {
      greet(socket, 0)
      push(socket, ...Array.from({ length: 200 }, (_, index) => index + 1))
    })
    const seen: unknown[] = []
    const saved: { place: number; seen: number }[] = []
    const { feed } = watch(service.url, {
      place: {
        load: () => null,
        save: async ({ seq }) => {
          saved.push({ place: Number(seq), seen: seen.length })
          await new Promise((resolve) => setTimeout(resolve, 20))
        },
      },
    })
    feed.on('watch-list:changed', ({ seq }) => seen.push(seq))
    await until('all is there', () => seen.length === 200)
    await feed.close()
    expect(saved.at(-1)).toEqual({ place: 200, seen: 200 })
    expect(saved.every((entry) => entry.place <= entry.seen)).toBe(true)
    expect(saved.length).toBeLessThan(100)
  })

  it('that cannot be read ends the viewer, instead of passing over what happened since', async () => {
    const service = await serve((socket) => greet(socket, 0))
    for (const load of [() => ({ seq: 'x', log: 'a' }), () => Promise.reject(new Error('unreadable'))]) {
      const { feed } = watch(service.url, { place: { load, save: () => undefined } })
      const codes: unknown[] = []
      feed.on('state', ({ state, error }) => codes.push(state, error?.code))
      await until('it is closed', () => feed.state === 'closed')
      expect(codes).toEqual(['closed', 'invalid_argument'])
    }
    expect(service.handshakes).toEqual([])
  })

  it('that cannot be stored is told, and the events go on', async () => {
    const service = await serve((socket) => {
      greet(socket, 0)
      push(socket, 1, 2)
    })
    const { seqs, problems } = watch(service.url, {
      place: { load: () => null, save: () => Promise.reject(new Error('the disk is full')) },
    })
    await until('all is there', () => seqs.length === 2)
    await until('it is told', () => problems.includes('the disk is full'))
  })
})
