import { EventEmitter } from 'node:events'

import type { NodeSocket, NodeTransport } from '../../src/chain/rpc/node-transport.js'
import type { HttpOutcome, NodeConnection, NodeFrontend } from '../../src/testing/rpc-node.js'
import type { Lots } from './lots.js'
import type { Owner, Scheduler } from './scheduler.js'

const LATENCY_MS = 8

/** A node that can be reached by name, and how. */
export interface Site {
  readonly frontend: NodeFrontend
  /** Nothing listens there while this is true; open sockets are cut by whoever sets it. */
  down: boolean
  readonly sockets: Set<VirtualSocket>
}

export interface NetworkCounters {
  requests: number
  refused: number
  sockets: number
}

/** What happens on the way to nodes within one process: every request, answer and frame takes its time. */
export class VirtualNetwork {
  readonly #scheduler: Scheduler
  readonly #lots: Lots
  readonly #sites = new Map<string, Site>()
  readonly counters: NetworkCounters = { requests: 0, refused: 0, sockets: 0 }

  constructor(scheduler: Scheduler, lots: Lots) {
    this.#scheduler = scheduler
    this.#lots = lots
  }

  add(host: string, frontend: NodeFrontend): Site {
    const site: Site = { frontend, down: false, sockets: new Set() }
    this.#sites.set(host, site)
    return site
  }

  /** Takes a site off the network: requests are refused, sockets cut. */
  takeDown(site: Site): void {
    site.down = true
    for (const socket of site.sockets) socket.cut()
  }

  /** A process died: the nodes notice that its sockets are closed. */
  forget(owner: Owner): void {
    for (const site of this.#sites.values()) {
      for (const socket of site.sockets) if (socket.owner === owner) socket.cut()
    }
  }

  /** Sockets of a replica that a node still holds open. */
  socketsOf(owner: Owner): number {
    return [...this.#sites.values()].flatMap(({ sockets }) => [...sockets]).filter((socket) => socket.owner === owner)
      .length
  }

  /** The network as one replica sees it. */
  transport(owner: Owner): NodeTransport {
    return {
      fetch: (url, init) => this.#fetch(owner, url, init),
      openSocket: (url) => {
        this.counters.sockets += 1
        return new VirtualSocket(this.#scheduler, this.#lots, owner, { host: hostOf(url), site: this.#site(url) })
      },
    }
  }

  #site(url: string): Site {
    const site = this.#sites.get(hostOf(url))
    if (site === undefined) throw new Error(`invariant: the configuration names only simulated nodes, got ${url}`)
    return site
  }

  #fetch(owner: Owner, url: string, init: RequestInit): Promise<Response> {
    const host = hostOf(url)
    const site = this.#site(url)
    const body = String(init.body)
    this.counters.requests += 1
    return new Promise((resolve, reject) => {
      const { signal } = init
      const onAbort = (): void => reject(new DOMException('This operation was aborted', 'AbortError'))
      if (signal?.aborted === true) {
        onAbort()
        return
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      const later = (what: string, run: () => void | Promise<void>): void =>
        void this.#scheduler.after(this.#lots.delayMs(LATENCY_MS), owner, `${what} ${host}`, run)
      later(`request ${methodsOf(body)}`, async () => {
        if (signal?.aborted === true) return
        if (site.down) {
          this.counters.refused += 1
          later('refused', () => reject(new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') })))
          return
        }
        const outcome = await site.frontend.http(body)
        this.#scheduler.note(owner, `outcome ${textOf(outcome)}`)
        if (outcome.kind === 'hang') return
        later(`answer ${methodsOf(body)}`, () => {
          signal?.removeEventListener('abort', onAbort)
          deliver(outcome, resolve, reject)
        })
      })
    })
  }
}

function deliver(
  outcome: Exclude<HttpOutcome, { kind: 'hang' }>,
  resolve: (response: Response) => void,
  reject: (error: unknown) => void,
): void {
  if (outcome.kind === 'reply') {
    resolve(new Response(outcome.body, { status: outcome.status, headers: { ...outcome.headers } }))
    return
  }
  const reset = new TypeError('terminated', { cause: new Error('read ECONNRESET') })
  if (outcome.body === undefined) {
    reject(reset)
    return
  }
  const begun = new TextEncoder().encode(outcome.body)
  resolve(
    new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(begun)
        },
        pull(controller) {
          controller.error(reset)
        },
      }),
    ),
  )
}

/** One connection. Frames of one direction keep their order, as TCP has it. */
export class VirtualSocket implements NodeSocket {
  readonly #scheduler: Scheduler
  readonly #lots: Lots
  readonly owner: Owner
  readonly #host: string
  readonly #site: Site
  readonly #events = new EventEmitter()
  #connection: NodeConnection | null = null
  #closed = false
  #downAtMs = 0
  #upAtMs = 0

  constructor(scheduler: Scheduler, lots: Lots, owner: Owner, to: { readonly host: string; readonly site: Site }) {
    this.#scheduler = scheduler
    this.#lots = lots
    this.owner = owner
    this.#host = to.host
    this.#site = to.site
    this.#later('socket opens', () => this.#open())
  }

  on(event: string, listener: (...args: never[]) => void): this {
    this.#events.on(event, listener as (...args: unknown[]) => void)
    return this
  }

  send(text: string): void {
    this.#upAtMs = this.#inOrder(this.#upAtMs)
    this.#at(this.#upAtMs, 'frame to', () => this.#connection?.receive(text))
  }

  terminate(): void {
    this.#end()
  }

  /** The other side, or the way there, is gone. */
  cut(): void {
    this.#end()
  }

  #open(): void {
    if (this.#closed) return
    if (this.#site.down) {
      this.#events.emit('error', new Error('connect ECONNREFUSED'))
      this.#end()
      return
    }
    this.#site.sockets.add(this)
    this.#connection = this.#site.frontend.connect({
      send: (text) => {
        this.#downAtMs = this.#inOrder(this.#downAtMs)
        this.#at(this.#downAtMs, `frame of ${text.length} from`, () => {
          if (!this.#closed) this.#events.emit('message', Buffer.from(text))
        })
      },
      end: () => this.#end(),
    })
    if (!this.#closed) this.#events.emit('open')
  }

  #end(): void {
    if (this.#closed) return
    this.#closed = true
    this.#site.sockets.delete(this)
    this.#connection?.close()
    this.#connection = null
    this.#later('socket closed', () => this.#events.emit('close'))
  }

  #inOrder(lastMs: number): number {
    return Math.max(lastMs + 0.001, this.#scheduler.nowMs + this.#lots.delayMs(LATENCY_MS))
  }

  #at(atMs: number, what: string, run: () => void): void {
    this.#scheduler.after(atMs - this.#scheduler.nowMs, this.owner, `${what} ${this.#host}`, run)
  }

  #later(what: string, run: () => void): void {
    this.#scheduler.after(this.#lots.delayMs(LATENCY_MS), this.owner, `${what} ${this.#host}`, run)
  }
}

function hostOf(url: string): string {
  return new URL(url).host
}

function methodsOf(body: string): string {
  const methods = [...body.matchAll(/"method":"(\w+)"/g)].map((match) => match[1])
  return methods.length > 1 ? `${methods[0]} x${methods.length}` : (methods[0] ?? '?')
}

function textOf(outcome: HttpOutcome): string {
  switch (outcome.kind) {
    case 'reply':
      return `${outcome.status} ${outcome.body.length > 200 ? `${outcome.body.length} characters` : outcome.body}`
    case 'hang':
      return 'none'
    case 'reset':
      return 'reset'
  }
}
