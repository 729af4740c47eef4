import type { BackoffOptions } from './backoff.js'
import { HttpCaller } from './http-caller.js'
import { LiveFeed } from './live-feed.js'
import type { PlaceStorage } from './place-keeper.js'
import type { ReporterSettings } from './reporter.js'
import { Reporter } from './reporter.js'
import { RestClient } from './rest-client.js'
import type { ServiceAddress } from './service-address.js'
import { ClientOptionError, parseServiceAddress } from './service-address.js'

export interface ClientOptions {
  /** Where the service is, such as `http://localhost:3000`; a path before it stays. */
  readonly url: string
  /** A key of the service, or what gives one for each request and connection; not needed where the service asks for none. */
  readonly apiKey?: string | (() => string | undefined) | undefined
  /** Makes the requests; the global `fetch` when absent. */
  readonly fetch?: typeof fetch | undefined
  /** Time for one attempt of a request; 10 s when absent. */
  readonly timeoutMs?: number | undefined
  /** Attempts of a request that may be repeated; 4 when absent. */
  readonly attemptsMax?: number | undefined
  /** Time for a connection until the service has greeted; 15 s when absent. */
  readonly connectTimeoutMs?: number | undefined
  /** Longest wait after the first failure; 500 ms when absent. It doubles with each failure. */
  readonly retryFirstMs?: number | undefined
  /** Longest wait after any number of failures; 15 s when absent. */
  readonly retryMostMs?: number | undefined
  /** How to connect, in order of preference; WebSocket, else polling, when absent. */
  readonly transports?: readonly ('websocket' | 'polling')[] | undefined
}

export interface LiveOptions {
  /** Keeps the place in the event log between runs. Without it a viewer begins with what happens next. */
  readonly place?: PlaceStorage | undefined
}

const TIMEOUT_MS = 10_000
const ATTEMPTS_MAX = 4
const CONNECT_TIMEOUT_MS = 15_000
const RETRY_FIRST_MS = 500
const RETRY_MOST_MS = 15_000

interface Surroundings {
  readonly address: ServiceAddress
  readonly apiKey: () => string | undefined
  readonly backoff: BackoffOptions
}

/** Talks to one Tidemark service: REST methods, viewers and reporters. */
export class TidemarkClient extends RestClient {
  readonly #options: ClientOptions
  readonly #surroundings: Surroundings
  readonly #open = new Set<LiveFeed | Reporter>()

  /** @throws ClientOptionError when an option cannot be worked with. */
  constructor(options: ClientOptions) {
    const surroundings = readSurroundings(options)
    super(
      new HttpCaller({
        ...surroundings,
        fetch: options.fetch ?? ((...request) => fetch(...request)),
        timeoutMs: positive('timeoutMs', options.timeoutMs, TIMEOUT_MS),
        attemptsMax: positive('attemptsMax', options.attemptsMax, ATTEMPTS_MAX),
      }),
    )
    this.#options = options
    this.#surroundings = surroundings
  }

  /** Connects, and hands out every event of the log from now on, or from a stored place on. */
  live(options: LiveOptions = {}): LiveFeed {
    const feed: LiveFeed = new LiveFeed({
      ...this.#connectionOptions(),
      place: options.place,
      onClosed: () => this.#open.delete(feed),
    })
    this.#open.add(feed)
    return feed
  }

  /** Connects, and sends reports until they are acknowledged. */
  reporter(settings: ReporterSettings = {}): Reporter {
    for (const name of ['reportsMax', 'lengthMax', 'inFlightMax', 'answerTimeoutMs'] as const) {
      positive(name, settings[name], 1)
    }
    const reporter: Reporter = new Reporter({
      ...this.#connectionOptions(),
      settings,
      onClosed: () => this.#open.delete(reporter),
    })
    this.#open.add(reporter)
    return reporter
  }

  /** Closes every viewer and reporter of this client. @param options.flushMs as `Reporter.close` has it */
  async close(options: { readonly flushMs?: number } = {}): Promise<void> {
    await Promise.all([...this.#open].map((part) => part.close(options)))
  }

  #connectionOptions(): Surroundings & {
    transports: readonly ('websocket' | 'polling')[]
    connectTimeoutMs: number
  } {
    return {
      ...this.#surroundings,
      transports: this.#options.transports ?? ['websocket', 'polling'],
      connectTimeoutMs: positive('connectTimeoutMs', this.#options.connectTimeoutMs, CONNECT_TIMEOUT_MS),
    }
  }
}

function readSurroundings({ url, apiKey, retryFirstMs, retryMostMs }: ClientOptions): Surroundings {
  return {
    address: parseServiceAddress(url),
    apiKey: typeof apiKey === 'function' ? apiKey : () => apiKey,
    backoff: {
      firstMs: positive('retryFirstMs', retryFirstMs, RETRY_FIRST_MS),
      mostMs: positive('retryMostMs', retryMostMs, RETRY_MOST_MS),
    },
  }
}

function positive(name: string, value: number | undefined, otherwise: number): number {
  const number = value ?? otherwise
  if (number > 0 && Number.isFinite(number)) return number
  throw new ClientOptionError(`expected ${name} to be a positive number, got ${number}`)
}
