import { http, isHex } from 'viem'
import { WorldError } from './errors.js'

/** One node's JSON-RPC, for tests: requests made in the same turn travel as one batch. */
export interface Rpc {
  request(method: string, params?: readonly unknown[]): Promise<unknown>
  /** A request whose answer is a quantity such as `0x1f`. */
  quantity(method: string, params?: readonly unknown[]): Promise<bigint>
}

/** Keeps a batch of the largest requests we send below anvil's limit of 2 MB for one body. */
const batchSize = 250
const timeoutMs = 15_000

export function createRpc(rpcUrl: string): Rpc {
  // Nothing is tried again: a transaction that arrived although its answer was lost must not be sent twice.
  const transport = http(rpcUrl, { batch: { batchSize, wait: 0 }, retryCount: 0, timeout: timeoutMs })({})
  const request: Rpc['request'] = (method, params = []) => transport.request({ method, params })
  return {
    request,
    async quantity(method, params) {
      const answer = await request(method, params)
      if (!isHex(answer)) throw new WorldError(`expected ${method} to answer a quantity, got ${JSON.stringify(answer)}`)
      return BigInt(answer)
    },
  }
}
