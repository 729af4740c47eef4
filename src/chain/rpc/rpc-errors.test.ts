import { describe, expect, it } from 'vitest'

import { classifyNodeError } from './rpc-errors.js'

describe('classifyNodeError', () => {
  it.each([
    [-32_005, 'daily request count exceeded', 'rpc_rate_limited'],
    [429, 'slow down', 'rpc_rate_limited'],
    [-32_000, 'Too Many Requests', 'rpc_rate_limited'],
    [-32_000, 'missing trie node 0xabc (path )', 'rpc_state_unavailable'],
    [-32_000, 'required historical state unavailable (reexec=128)', 'rpc_state_unavailable'],
    [-32_000, 'state has been pruned', 'rpc_state_unavailable'],
    [-32_001, 'anything', 'rpc_block_unavailable'],
    [-32_000, 'header for hash not found', 'rpc_block_unavailable'],
    [-32_000, 'hash 0xabc is not currently canonical', 'rpc_block_unavailable'],
    // Geth's own words name no hash.
    [-32_000, 'hash is not currently canonical', 'rpc_block_unavailable'],
    [-32_000, 'unknown block', 'rpc_block_unavailable'],
    [-32_601, 'the method does not exist', 'rpc_node'],
    [-32_602, 'too many arguments, want at most 2', 'rpc_node'],
    [-32_000, 'out of gas', 'rpc_node'],
  ])('sorts %i %s as %s', (rpcCode, message, code) => {
    expect(classifyNodeError(rpcCode, message)).toMatchObject({ code, message })
  })

  it.each([
    [3, 'execution reverted: rate limit exceeded'],
    [3, 'too many requests'],
    [-32_000, 'execution reverted: block not found'],
    [-32_015, 'VM execution error: state has been pruned'],
    [-32_603, 'VM Exception while processing transaction: reverted with reason string capacity'],
  ])('does not let a contract speak for its node: %i %s', (rpcCode, message) => {
    expect(classifyNodeError(rpcCode, message)).toMatchObject({ code: 'rpc_node', retryable: false })
  })
})
