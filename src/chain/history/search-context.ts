import type { Logger } from '../../model/logger.js'
import type { RpcClient } from '../rpc/rpc-client.js'

/** Blocks read at the same time: enough to hide the way to the node, few enough for a modest one. */
export const BLOCKS_AT_ONCE = 3

export interface SearchContext {
  readonly client: RpcClient
  readonly logger: Logger
  readonly signal?: AbortSignal | undefined
  /** Called with the blocks that were done since the last call. */
  readonly onBlocks?: ((blocks: bigint) => void) | undefined
}
