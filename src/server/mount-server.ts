import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'

import { routes } from '../api/routes.js'
import { SOCKET_PATH } from '../api/socket-path.js'
import { ConfigurationError } from '../index.js'
import { answerOtherUpgrade } from './http/answer-broken-requests.js'
import { openService } from './open-service.js'
import type { ServiceOptions } from './open-service.js'

export interface MountOptions extends ServiceOptions {
  /** The server of the host, listening or not yet. */
  readonly http: HttpServer | HttpsServer
}

export interface MountedServer {
  /** Disconnects everybody; the paths of the API say that it is closed. The host's server stays as it is. Idempotent. */
  close(): Promise<void>
}

type RequestListener = (request: IncomingMessage, response: ServerResponse) => void
type Listeners = ReturnType<HttpServer['listeners']>

/** `/readyz` and the like are the host's own affair. */
const MOUNTED_BELOW = '/api/'

/**
 * Serves a manager over REST and Socket.IO in the HTTP server of a host: the paths of the API below `/api` are answered
 * here, before the host's framework sees them, and all others by the host.
 *
 * @throws {ConfigurationError} while there is no API key: nobody knows here who reaches the host's server
 */
export async function mountServer(options: MountOptions): Promise<MountedServer> {
  const { http, config } = options
  let upgradedBefore: Listeners = []
  const service = await openService(options, {
    // Whoever is let in is decided by keys alone.
    host: '0.0.0.0',
    http: () => {
      upgradedBefore = http.listeners('upgrade')
      return http
    },
    isShared: true,
    refuse: (keys) => {
      if (config.allowUnauthenticated || keys.required) return
      throw new ConfigurationError('server: expected an API key to mount the API in the server of the application', {
        hint:
          'Add a key with `tidemark keys add <name> --scope write`, or set apiKeys. ' +
          'allowUnauthenticated: true opens the API to everyone who reaches the application.',
      })
    },
  })
  const paths = routes.filter(({ path }) => path.startsWith(MOUNTED_BELOW)).map(({ path }) => pathPattern(path))
  let closing: Promise<void> | null = null
  const isOurs = ({ url = '' }: IncomingMessage): boolean => {
    const [path = ''] = url.split('?')
    return paths.some((pattern) => pattern.test(path))
  }
  takeRequests(http, isOurs, (request, response) => service.app.routing(request, response))
  takeUpgrades(http, upgradedBefore)
  const closeAll = async (): Promise<void> => {
    await service.disconnect()
    await service.app.close()
  }
  return { close: () => (closing ??= closeAll()) }
}

function pathPattern(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`)
}

/** Socket.IO does the same: the listeners that were there get what is not ours. */
function takeRequests(
  http: HttpServer | HttpsServer,
  isOurs: (request: IncomingMessage) => boolean,
  answer: RequestListener,
): void {
  const others = http.listeners('request')
  http.removeAllListeners('request')
  http.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (isOurs(request)) answer(request, response)
    else for (const other of others) Reflect.apply(other, http, [request, response])
  })
}

/** Each listener answers what it does not know with a refusal: those on our path are for Socket.IO alone, others not. */
function takeUpgrades(http: HttpServer | HttpsServer, others: Listeners): void {
  const ours = http.listeners('upgrade').filter((listener) => !others.includes(listener))
  http.removeAllListeners('upgrade')
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const listeners = request.url?.startsWith(SOCKET_PATH) === true ? ours : others
    for (const listener of listeners) Reflect.apply(listener, http, [request, socket, head])
    // Nobody else would answer: Node leaves the socket to whoever takes upgrades.
    if (listeners.length === 0 && http.listenerCount('upgrade') === 1) answerOtherUpgrade(request, socket)
  })
}
