import { RetryableError, TidemarkError } from '../../model/errors.js'

/** No answer came: refused, timed out, cut off, or an HTTP status that is no answer. Another endpoint may do. */
export class TransportError extends RetryableError {
  readonly code = 'rpc_transport'
  /** The HTTP status, where there was one. */
  readonly httpStatus: number | undefined

  constructor(message: string, httpStatus?: number) {
    super(message)
    this.httpStatus = httpStatus
  }
}

/** The endpoint asks for fewer requests. */
export class RateLimitedError extends RetryableError {
  readonly code = 'rpc_rate_limited'
  /** How long the endpoint asked to wait; undefined when it did not say. */
  readonly retryAfterMs: number | undefined

  constructor(message: string, retryAfterMs?: number) {
    super(message)
    this.retryAfterMs = retryAfterMs
  }
}

/** What came is not what JSON-RPC, or the method, promises. It is never taken for a value. */
export class MalformedAnswerError extends RetryableError {
  readonly code = 'rpc_malformed'
}

/** Nothing where a contract's answer is due: no code ran. */
export class EmptyAnswerError extends MalformedAnswerError {}

/** The node does not know the block, or no longer counts it as canonical. */
export class BlockUnavailableError extends RetryableError {
  readonly code = 'rpc_block_unavailable'
}

/** The node knows the block but has thrown away its state. */
export class StateUnavailableError extends RetryableError {
  readonly code = 'rpc_state_unavailable'
}

/** The node answered with an error of its own; asking again gives the same. */
export class NodeError extends TidemarkError {
  readonly code = 'rpc_node'
  readonly rpcCode: number

  constructor(message: string, rpcCode: number) {
    super(message)
    this.rpcCode = rpcCode
  }
}

/** The endpoint takes no batch, or none of this size: the calls may do one by one. */
export class BatchRefusedError extends NodeError {}

/** The endpoint serves another chain than the one it is configured for: it is never used. */
export class WrongChainError extends TidemarkError {
  readonly code = 'wrong_chain'
}

/** The chain's genesis block differs from the stored one: the records belong to another chain of the same id. */
export class WrongGenesisError extends TidemarkError {
  readonly code = 'wrong_genesis'
}

/** Every endpoint of the chain failed. */
export class AllEndpointsFailedError extends RetryableError {
  readonly code = 'rpc_all_endpoints_failed'
}

const rateLimitCodes = new Set([-32005, -32097, 429])
const statePattern =
  /missing trie node|state (is )?(not available|unavailable|pruned)|pruned|historical state|state .* is not available|old data not available/i
const blockPattern =
  /(header|block)( hash)?( for hash)? not found|unknown block|resource not found|not canonical|block .* not found|cannot query unfinalized|hash (.* )?is not currently canonical|requested block|BlockOutOfRange|unable to find block/i
const ratePattern = /rate limit|too many requests|limit exceeded|capacity|throttl/i

/** A contract's revert: what follows are the contract's own words, which must not be taken for the node's. */
const REVERTED = 3
const revertPattern =
  /^(VM Exception while processing transaction: |VM execution error|execution reverted|reverted|revert )/i

/** Sorts a node's own error by what can be done about it. Nodes agree neither on codes nor on words. */
export function classifyNodeError(rpcCode: number, message: string): TidemarkError {
  if (rpcCode === REVERTED || revertPattern.test(message)) return new NodeError(message, rpcCode)
  if (rateLimitCodes.has(rpcCode) || ratePattern.test(message)) return new RateLimitedError(message)
  if (statePattern.test(message)) return new StateUnavailableError(message)
  if (rpcCode === -32001 || blockPattern.test(message)) return new BlockUnavailableError(message)
  return new NodeError(message, rpcCode)
}
