/** How a chain is doing, for people. */
export type ChainState = 'syncing' | 'live' | 'degraded' | 'stalled'

/** One endpoint as it may be shown: never its full URL. */
export interface EndpointStatus {
  readonly host: string
  readonly transport: 'http' | 'websocket'
  readonly healthy: boolean
  readonly lastError: string | null
}
