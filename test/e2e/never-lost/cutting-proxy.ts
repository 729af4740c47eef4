import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, NetConnectOpts, Server, Socket } from 'node:net'

/**
 * Ways a connection can break: closed in order, reset, in the middle of what is being sent up or down, or without a word,
 * when what is sent goes nowhere for a while.
 */
export const cutKinds = ['end', 'reset', 'mid-frame-up', 'mid-frame-down', 'silent'] as const
export type Cut = (typeof cutKinds)[number]

/** How long a silent connection swallows what is sent before it is reset. */
const SILENCE_MS = 400
/** How long a cut waits for something to be sent that it can break off. */
const ARMED_MS = 500

interface Pair {
  readonly client: Socket
  readonly target: Socket
  /** What the next data has to suffer. */
  fate: Cut | null
  bytes: number
  onStruck: (() => void) | null
}

/** Passes TCP connections on to a target, and breaks them. */
export class CuttingProxy {
  readonly #server: Server
  readonly #target: () => NetConnectOpts
  readonly #pairs = new Set<Pair>()

  private constructor(target: () => NetConnectOpts) {
    this.#target = target
    this.#server = createServer((client) => this.#accept(client))
  }

  /** @param target asked for every new connection: it may move. */
  static async open(target: () => NetConnectOpts): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /**
   * Breaks connections that have carried something.
   *
   * @param choose picks from the open connections
   * @returns how many were broken, in the way that was asked for
   */
  async cut(kind: Cut, choose: <Some>(open: readonly Some[]) => readonly Some[]): Promise<number> {
    const used = [...this.#pairs].filter(({ bytes }) => bytes > 0)
    const struck = await Promise.all(choose(used).map((pair) => this.#strike(pair, kind)))
    return struck.filter(Boolean).length
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs) destroy(pair)
    this.#server.close()
    await once(this.#server, 'close')
  }

  #accept(client: Socket): void {
    const target = connect(this.#target())
    const pair: Pair = { client, target, fate: null, bytes: 0, onStruck: null }
    this.#pairs.add(pair)
    for (const side of [client, target]) {
      side.setNoDelay(true)
      side.on('error', () => undefined)
      side.on('close', () => {
        this.#pairs.delete(pair)
        client.destroy()
        target.destroy()
      })
    }
    pass(pair, { from: client, to: target, breaks: 'mid-frame-up' })
    pass(pair, { from: target, to: client, breaks: 'mid-frame-down' })
  }

  #strike(pair: Pair, kind: Cut): Promise<boolean> {
    switch (kind) {
      case 'end':
        pair.client.end()
        pair.target.end()
        return Promise.resolve(true)
      case 'reset':
        destroy(pair)
        return Promise.resolve(true)
      case 'silent':
        pair.fate = 'silent'
        return new Promise((resolve) => {
          setTimeout(() => {
            destroy(pair)
            resolve(true)
          }, SILENCE_MS)
        })
      case 'mid-frame-up':
      case 'mid-frame-down':
        pair.fate = kind
        return new Promise((resolve) => {
          const timer = setTimeout(() => {
            destroy(pair)
            resolve(false)
          }, ARMED_MS)
          pair.onStruck = () => {
            clearTimeout(timer)
            resolve(true)
          }
        })
    }
  }
}

/** Passes data on in one direction, as fast as it is taken. */
function pass(pair: Pair, way: { from: Socket; to: Socket; breaks: Cut }): void {
  const { from, to, breaks } = way
  from.on('data', (data: Buffer) => {
    pair.bytes += data.length
    if (pair.fate === 'silent') return
    if (pair.fate === breaks && data.length > 1) {
      const half = data.subarray(0, data.length >> 1)
      to.write(half, () => destroy(pair))
      pair.fate = 'silent'
      pair.onStruck?.()
      return
    }
    if (to.write(data)) return
    from.pause()
    to.once('drain', () => from.resume())
  })
  from.on('end', () => to.end())
}

function destroy({ client, target }: Pair): void {
  // Only TCP knows a reset; the target may be a Unix socket.
  client.resetAndDestroy()
  target.destroy()
}
