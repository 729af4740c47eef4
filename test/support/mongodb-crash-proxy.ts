import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'

/** Before: the server never gets the write. After: it has done it, and the writer is not told. */
export type CrashMoment = 'before' | 'after'

/** A proxy before a MongoDB server that counts what changes something there, and can end all at one of these. */
export interface CrashProxy {
  readonly port: number
  /** Commands so far that write documents or make indexes. */
  readonly writes: number
  /** Whether the writer was cut off. */
  readonly crashed: boolean
  /** Counts from the beginning again, and cuts the writer off at the write of this number. */
  crashAt(write: number, moment: CrashMoment): void
  close(): Promise<void>
}

const writing: ReadonlySet<string> = new Set(['insert', 'update', 'delete', 'createIndexes'])
const HEADER_BYTES = 16
const OP_MSG = 2013

/** @param server address as in `mongodb://127.0.0.1:27017` */
export async function startCrashProxy(server: string): Promise<CrashProxy> {
  const target = new URL(server.replace(/^mongodb:/, 'http:'))
  const sockets = new Set<Socket>()
  let writes = 0
  let fatal = Number.POSITIVE_INFINITY
  let moment: CrashMoment = 'before'
  let crashed = false
  const cut = (): void => {
    crashed = true
    for (const socket of sockets) socket.destroy()
  }

  const proxy = createServer((client) => {
    if (crashed) return void client.destroy()
    const upstream = connect(Number(target.port), target.hostname)
    let isLast = false
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    const read = splitMessages((message) => {
      if (crashed) return
      if (writing.has(commandOf(message))) {
        writes += 1
        if (writes === fatal && moment === 'before') return cut()
        isLast = writes === fatal
      }
      upstream.write(message)
    })
    client.on('data', read)
    // The answer comes when the server has done the write.
    upstream.on('data', (data: Buffer) => (isLast ? cut() : client.write(data)))
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  return {
    port: (proxy.address() as AddressInfo).port,
    get writes() {
      return writes
    },
    get crashed() {
      return crashed
    },
    crashAt(write, when) {
      writes = 0
      fatal = write
      moment = when
      crashed = false
    },
    async close() {
      cut()
      proxy.close()
      await once(proxy, 'close')
    },
  }
}

/** Calls back with each whole message. */
function splitMessages(onMessage: (message: Buffer) => void): (data: Buffer) => void {
  let rest = Buffer.alloc(0)
  return (data) => {
    rest = Buffer.concat([rest, data])
    while (rest.length >= HEADER_BYTES && rest.length >= rest.readInt32LE(0)) {
      const length = rest.readInt32LE(0)
      const message = rest.subarray(0, length)
      rest = rest.subarray(length)
      onMessage(message)
    }
  }
}

/** The name of the first field of the body, which is the command's; empty for other messages. */
function commandOf(message: Buffer): string {
  if (message.readInt32LE(12) !== OP_MSG) return ''
  const body = HEADER_BYTES + 4
  if (message[body] !== 0) return ''
  const name = body + 1 + 4 + 1
  return message.toString('latin1', name, message.indexOf(0, name))
}
