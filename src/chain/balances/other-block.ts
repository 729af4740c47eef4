import { BlockUnavailableError, MalformedAnswerError } from '../rpc/rpc-errors.js'

/** A node is seldom further behind, or ahead, than that. */
const NEARBY_BLOCKS = 256n

/**
 * The failure of a call that tells itself that it ran on another block than the one it was asked for. From a block
 * nearby: the node can read balances this way, only not this block's now, and must not be read in a way that proves
 * less. From far away: what the chain calls a block's number is something else.
 */
export function otherBlockError(asked: bigint, answered: bigint): BlockUnavailableError | MalformedAnswerError {
  const message = `expected an answer from block ${asked}, got one from block ${answered}`
  const distance = answered > asked ? answered - asked : asked - answered
  return distance <= NEARBY_BLOCKS ? new BlockUnavailableError(message) : new MalformedAnswerError(message)
}
