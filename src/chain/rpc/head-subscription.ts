import type { BlockHeader } from '../../model/block.js'
import type { EndpointStatus } from '../../model/chain-state.js'
import type { Clock } from '../../model/clock.js'
import { messageOf } from '../../model/errors.js'
import type { Logger } from '../../model/logger.js'
import { decodeHeader } from './decode-header.js'
import { EndpointSecrets } from './endpoint-secrets.js'
import type { NodeSocket, NodeTransport } from './node-transport.js'
import { decodeQuantity, isObject } from './quantity.js'

/** From the first byte to the subscription. */
const SUBSCRIBE_TIMEOUT_MS = 15_000
const RECONNECT_MS = 500
const RECONNECT_MS_MAX = 30_000
const CHAIN_ID_REQUEST = 1
const SUBSCRIBE_REQUEST = 2

export interface HeadSubscriptionOptions {
  readonly chainId: bigint
  /** In order of preference; after a failure the next one is tried, for ever. */
  readonly urls: readonly string[]
  readonly clock: Clock
  readonly transport: NodeTransport
  readonly logger: Logger
  readonly onHead: (header: BlockHeader) => void
  /** The subscription began or was lost: heads may have been missed. */
  readonly onChange: () => void
}

/**
 * A `newHeads` subscription that is opened again whenever it is lost. A head is a hint that there is something to read;
 * a lost one is made up for by the poll.
 */
export class HeadSubscription {
  readonly #options: HeadSubscriptionOptions
  readonly #logger: Logger
  #socket: NodeSocket | null = null
  #callOffOpening: () => void = () => undefined
  #failures = 0
  #urlIndex = 0
  #subscribed = false
  /** What the node calls our subscription: heads of any other one are not ours. */
  #subscriptionId: string | null = null
  #onceSubscribed: () => void = () => undefined
  #lastError: string | null = null
  #closed = false

  constructor(options: HeadSubscriptionOptions) {
    this.#options = options
    this.#logger = options.logger
    this.#open()
  }

  /** True while heads are pushed, as far as the socket tells. */
  get live(): boolean {
    return this.#subscribed
  }

  endpoints(): readonly EndpointStatus[] {
    return this.#options.urls.map((url, index) => ({
      host: new EndpointSecrets(url).host,
      transport: 'websocket',
      healthy: index === this.#urlIndex && this.#subscribed,
      lastError: index === this.#urlIndex ? this.#lastError : null,
      lagBlocks: null,
      latencyMs: null,
      callsPerSecond: null,
      capabilities: null,
    }))
  }

  /** Gives the socket up and opens another one: for a socket that is open but silent. */
  restart(reason: string): void {
    this.#lastError = reason
    this.#logger.warn({ reason }, 'websocket is given up')
    this.#socket?.terminate()
  }

  close(): void {
    this.#closed = true
    this.#callOffOpening()
    this.#socket?.terminate()
  }

  #open(): void {
    const url = this.#options.urls[this.#urlIndex]
    if (url === undefined || this.#closed) return
    const secrets = new EndpointSecrets(url)
    const socket = this.#options.transport.openSocket(url)
    this.#socket = socket
    this.#onceSubscribed = this.#options.clock.schedule(SUBSCRIBE_TIMEOUT_MS, () => {
      this.#lastError = `no subscription within ${SUBSCRIBE_TIMEOUT_MS} ms`
      socket.terminate()
    })
    socket.on('open', () => {
      this.#logger.info({ endpoint: secrets.host }, 'websocket connected')
      send(socket, CHAIN_ID_REQUEST, 'eth_chainId', [])
    })
    socket.on('message', (data: Buffer) => this.#onMessage(socket, data, secrets))
    socket.on('error', (error) => {
      this.#lastError = secrets.clean(messageOf(error))
    })
    socket.on('close', () => {
      this.#onceSubscribed()
      this.#onClose(secrets.host)
    })
  }

  #onMessage(socket: NodeSocket, data: Buffer, secrets: EndpointSecrets): void {
    try {
      const message: unknown = JSON.parse(data.toString('utf8'))
      if (!isObject(message)) return
      if (message['id'] === CHAIN_ID_REQUEST) return this.#onChainId(socket, message)
      if (message['id'] === SUBSCRIBE_REQUEST) return this.#onSubscribed(socket, message)
      const params = message['params']
      if (!this.#subscribed || message['method'] !== 'eth_subscription' || !isObject(params)) return
      if (params['subscription'] === this.#subscriptionId) {
        // Not before: one that takes subscriptions and then hangs up is no better than one that refuses them.
        this.#failures = 0
        this.#options.onHead(decodeHeader(params['result']))
      }
    } catch (error) {
      this.#lastError = secrets.clean(messageOf(error))
      this.#logger.debug({ error: this.#lastError }, 'websocket message is not usable')
      // An answer that cannot be used leaves a socket that will never tell of a head.
      if (!this.#subscribed) socket.terminate()
    }
  }

  #onChainId(socket: NodeSocket, message: Readonly<Record<string, unknown>>): void {
    const served = decodeQuantity(message['result'], 'eth_chainId')
    if (served === this.#options.chainId) return send(socket, SUBSCRIBE_REQUEST, 'eth_subscribe', ['newHeads'])
    this.#lastError = `expected chain id ${this.#options.chainId}, the endpoint serves ${served}`
    this.#logger.error({ error: this.#lastError }, 'websocket endpoint is refused')
    this.#failures = Math.max(this.#failures, 6)
    socket.terminate()
  }

  #onSubscribed(socket: NodeSocket, message: Readonly<Record<string, unknown>>): void {
    if (typeof message['result'] !== 'string') {
      this.#lastError = 'the endpoint refused eth_subscribe newHeads'
      this.#logger.warn({}, 'websocket subscription refused')
      socket.terminate()
      return
    }
    this.#onceSubscribed()
    this.#subscribed = true
    this.#subscriptionId = message['result']
    this.#lastError = null
    this.#logger.info({}, 'websocket subscribed to new heads')
    this.#options.onChange()
  }

  #onClose(host: string): void {
    this.#subscribed = false
    this.#subscriptionId = null
    this.#socket = null
    if (this.#closed) return
    this.#failures += 1
    this.#urlIndex = (this.#urlIndex + 1) % this.#options.urls.length
    const waitMs =
      Math.min(RECONNECT_MS_MAX, RECONNECT_MS * 2 ** Math.min(this.#failures - 1, 10)) *
      (0.75 + this.#options.clock.random() / 2)
    this.#logger.warn(
      { endpoint: host, failures: this.#failures, waitMs: Math.round(waitMs), error: this.#lastError },
      'websocket disconnected, connecting again',
    )
    this.#callOffOpening = this.#options.clock.schedule(waitMs, () => this.#open())
    this.#options.onChange()
  }
}

function send(socket: NodeSocket, id: number, method: string, params: readonly unknown[]): void {
  socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
}
