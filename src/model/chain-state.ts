/** How a chain is doing, for people. */
export type ChainState = 'syncing' | 'live' | 'degraded' | 'stalled'

/** What an endpoint was found to be able to do; null where it has not been found out. */
export interface EndpointCapabilities {
  /** Takes code and storage for one `eth_call`. */
  readonly stateOverride: boolean | null
  /** Reads at a block hash (EIP-1898). */
  readonly blockHash: boolean | null
  /** Takes several calls in one HTTP request. */
  readonly batch: boolean | null
  /** Serves `eth_getBlockReceipts`. */
  readonly receipts: boolean | null
  /** Traces whole blocks. */
  readonly traces: boolean | null
  /** Blocks that one `eth_getLogs` may ask for, as far as tried. */
  readonly logRangeBlocks: number | null
  /** Oldest block whose state is served. */
  readonly oldestStateBlock: bigint | null
}

/** One endpoint as it may be shown: never its full URL. */
export interface EndpointStatus {
  readonly host: string
  readonly transport: 'http' | 'websocket'
  readonly healthy: boolean
  readonly lastError: string | null
  /** How far its newest block was behind the best endpoint's, when it was last seen. */
  readonly lagBlocks: number | null
  /** Average time to an answer, in whole milliseconds. */
  readonly latencyMs: number | null
  /** Calls per second that it is sent at most at present. */
  readonly callsPerSecond: number | null
  /** Null for WebSocket endpoints, which only announce blocks. */
  readonly capabilities: EndpointCapabilities | null
}
