import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'

/** A TCP proxy before a server, which breaks connections on request. */
export interface CuttingProxy {
  readonly url: string
  /** Connections that stand. */
  readonly connections: number
  /** Bytes of the server that were kept back. */
  readonly swallowedBytes: number
  /** Leads new connections to another server. */
  leadTo(url: string): void
  /** Ends all connections at once, as when a cable is cut. */
  cut(): void
  /** Ends all connections, and each new one, until `admit`. */
  refuse(): void
  /** Lets the server hear the clients but not the clients the server, until `admit` or `cut`. */
  swallowAnswers(): void
  admit(): void
  close(): Promise<void>
}

/** @param url address of the server */
export async function startCuttingProxy(url: string): Promise<CuttingProxy> {
  let target = new URL(url)
  let mode: 'admit' | 'refuse' | 'swallow' = 'admit'
  let swallowedBytes = 0
  const clients = new Set<Socket>()

  const server = createServer((client) => {
    if (mode === 'refuse') return void client.destroy()
    const upstream = connect(Number(target.port), target.hostname)
    clients.add(client)
    const end = (): void => {
      clients.delete(client)
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true)
      socket.on('error', end)
      socket.on('close', end)
    }
    client.on('data', (data: Buffer) => upstream.write(data))
    upstream.on('data', (data: Buffer) => {
      if (mode === 'swallow') swallowedBytes += data.length
      else client.write(data)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  const cut = (): void => {
    for (const client of clients) client.destroy()
  }
  return {
    url: `http://127.0.0.1:${port}`,
    get connections() {
      return clients.size
    },
    get swallowedBytes() {
      return swallowedBytes
    },
    leadTo(other) {
      target = new URL(other)
    },
    cut,
    refuse() {
      mode = 'refuse'
      cut()
    },
    swallowAnswers() {
      mode = 'swallow'
    },
    admit() {
      mode = 'admit'
    },
    async close() {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}
