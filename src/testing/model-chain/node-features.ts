/** What a node of a model chain can do. Everything, unless told otherwise. */
export interface NodeFeatures {
  /** `ignored` passes the override over without a word, as some nodes do. */
  readonly stateOverride: boolean | 'ignored'
  /** Block parameters by hash (EIP-1898). */
  readonly blockHashParam: boolean
  /** Several calls in one HTTP request. */
  readonly batch: boolean
  /** `debug`: debug_traceBlockByHash; `trace`: trace_block and trace_filter. */
  readonly traces: boolean | 'debug' | 'trace'
  /** eth_getBlockReceipts. */
  readonly receipts: boolean
  /** Contracts run in a call for at most so much gas. */
  readonly callGasCap: number
  readonly maxLogRange: number
  readonly maxLogResults: number
  readonly maxLogAddresses: number
  /** States older than so many blocks below the head are gone; null keeps all. */
  readonly prunedBelowDepth: number | null
  /** Bodies, receipts and logs older than so many blocks below the head are gone; null keeps all. */
  readonly historyDepth: number | null
  /** Orphaned blocks stay readable by hash. */
  readonly orphans: boolean
}

export const allFeatures: NodeFeatures = {
  stateOverride: true,
  blockHashParam: true,
  batch: true,
  traces: true,
  receipts: true,
  callGasCap: 50_000_000,
  maxLogRange: Infinity,
  maxLogResults: Infinity,
  maxLogAddresses: Infinity,
  prunedBelowDepth: null,
  historyDepth: null,
  orphans: true,
}
