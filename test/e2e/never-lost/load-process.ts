// Reporters and viewers in a process of their own: nothing that strikes the service strikes them.
import { writeFileSync } from 'node:fs'

import { createRandom } from '../../../src/testing/random.js'
import type { Transports } from './connection.js'
import type { Counts, LoadFile, Order } from './load-orders.js'
import { Reporter } from './reporter.js'
import { RestSender } from './rest-sender.js'
import type { Sender } from './send-report.js'
import { SocketSender } from './socket-sender.js'
import { Viewer } from './viewer.js'

const reporters: Reporter[] = []
const senders: Sender[] = []
const viewers: Viewer[] = []
let running: Promise<unknown> = Promise.resolve()

/** The ways a report can go: several callers of one kind share a connection, but for those without a callback. */
const ways: readonly { readonly name: string; readonly callers: number }[] = [
  { name: 'websocket', callers: 8 },
  { name: 'rest', callers: 6 },
  { name: 'events', callers: 1 },
  { name: 'polling', callers: 3 },
]
// Not polling with an upgrade: engine.io-client notices a cut in the middle of an upgrade only when no ping has come for
// 45 s, and by then a viewer may be too far behind.
const viewerTransports: readonly Transports[] = [['websocket'], ['polling']]

function report({ urls, token, seed, callers, paceMs }: Extract<Order, { order: 'report' }>): void {
  let number = 0
  const nextNumber = (): number => (number += 1)
  const twin = new RestSender({ urls: urls.toReversed(), token })
  senders.push(twin)
  for (let way = 0; reporters.length < callers; way += 1) {
    const { name, callers: together } = ways[way % ways.length]!
    const sender = openSender(name, { urls: way % 2 === 0 ? urls : urls.toReversed(), token })
    senders.push(sender)
    for (let begun = 0; begun < together && reporters.length < callers; begun += 1) {
      const random = createRandom(seed * 1000 + reporters.length)
      reporters.push(new Reporter({ sender, twin, random, paceMs, nextNumber }))
    }
  }
  running = Promise.all(reporters.map((reporter) => reporter.run()))
}

function openSender(name: string, { urls, token }: { urls: readonly string[]; token: string }): Sender {
  if (name === 'rest') return new RestSender({ urls, token })
  const transports: Transports = name === 'polling' ? ['polling'] : ['websocket']
  return new SocketSender({ urls, token, transports, withCallback: name !== 'events' })
}

function view({ urls, token, viewers: wanted }: Extract<Order, { order: 'view' }>): void {
  for (let index = 0; index < wanted; index += 1) {
    viewers.push(
      new Viewer({
        name: `viewer ${index + 1}`,
        urls: index % 2 === 0 ? urls : urls.toReversed(),
        token,
        transports: viewerTransports[index % viewerTransports.length]!,
        from: index % 4 === 2 ? 'newest' : 'start',
      }),
    )
  }
}

function count(): Counts {
  const total = (of: (reporter: Reporter) => number): number =>
    reporters.reduce((sum, reporter) => sum + of(reporter), 0)
  return {
    inFlight: total(({ counts }) => counts.inFlight),
    acknowledged: total(({ counts }) => counts.acknowledged),
    unknown: total(({ counts }) => counts.unknown),
    seen: viewers.map(({ seq }) => seq),
    connections: viewers.reduce((sum, { connections }) => sum + connections, 0),
  }
}

async function obey(order: Order): Promise<void> {
  switch (order.order) {
    case 'report':
      return report(order)
    case 'view':
      return view(order)
    case 'leave':
      for (const viewer of viewers) viewer.leave()
      return
    case 'count':
      return
    case 'rest':
      for (const reporter of reporters) reporter.rest()
      await running
      return
    case 'finish': {
      for (const closing of [...senders, ...viewers]) closing.close()
      const file: LoadFile = {
        reports: reporters.flatMap(({ reports }) => reports),
        viewers: viewers.map(({ history }) => history),
      }
      writeFileSync(order.file, JSON.stringify(file))
      return
    }
  }
}

process.on('message', (message: { readonly call: number } & Order) => {
  void obey(message).then(() => process.send?.({ call: message.call, counts: count() }))
})
// Whoever started it is gone.
process.on('disconnect', () => process.exit(0))
