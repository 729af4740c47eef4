import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** How often each service is asked whether it is ready, and how long it has for the answer. */
const CHECK_MS = 250
const CHECK_TIMEOUT_MS = 1000
/** Checks in a row that fail before a service is taken out. */
const FAILURES_MAX = 2

export interface Balancer {
  readonly url: string
  /** Connections by the place of the service they were given to. */
  readonly given: readonly number[]
  close(): Promise<void>
}

interface Upstream {
  readonly port: number
  readonly sockets: Set<Socket>
  failures: number
  up: boolean
}

/**
 * One port for many services, as a load balancer has it: connections go to services that are ready, all of one caller to
 * the same one, and are cut when it is not ready any more.
 */
export async function startBalancer(ports: readonly number[]): Promise<Balancer> {
  const upstreams = ports.map((port): Upstream => ({ port, sockets: new Set(), failures: 0, up: false }))
  const given = ports.map(() => 0)

  const server = createServer((outer) => {
    const caller = hashOf(outer.remoteAddress ?? '')
    const ready = upstreams.filter(({ up }) => up)
    const upstream = ready[caller % Math.max(1, ready.length)]
    if (upstream === undefined) return void outer.destroy()
    given[upstreams.indexOf(upstream)]! += 1
    const inner = connect(upstream.port, '127.0.0.1')
    upstream.sockets.add(outer)
    const end = (): void => {
      upstream.sockets.delete(outer)
      outer.destroy()
      inner.destroy()
    }
    for (const side of [outer, inner]) side.on('error', () => undefined).on('close', end)
    outer.pipe(inner)
    inner.pipe(outer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  const check = async (upstream: Upstream): Promise<void> => {
    const ready = await isReady(upstream.port)
    upstream.failures = ready ? 0 : upstream.failures + 1
    if (ready) upstream.up = true
    if (upstream.failures < FAILURES_MAX) return
    upstream.up = false
    for (const socket of upstream.sockets) socket.destroy()
  }
  let closed = false
  const checking = upstreams.map(async (upstream) => {
    while (!closed) {
      await check(upstream)
      await new Promise((resolve) => setTimeout(resolve, CHECK_MS))
    }
  })

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    given,
    async close() {
      closed = true
      await Promise.all(checking)
      for (const { sockets } of upstreams) for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function isReady(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(CHECK_TIMEOUT_MS) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

function hashOf(text: string): number {
  return [...text].reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) % 1_000_003, 7)
}
