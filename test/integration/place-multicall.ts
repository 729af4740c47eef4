import { keccak256 } from 'viem'
import { expect } from 'vitest'

import { MULTICALL3_ADDRESS } from '../../src/chain/balances/scan-by-multicall.js'
import type { Anvil } from '../../src/testing/index.js'
import { createRpc } from '../../src/testing/rpc.js'

/**
 * Puts Multicall3 where it stands on most chains: the one that viem carries for calls without a deployment, whose runtime
 * follows 32 bytes of creation code.
 */
export async function placeMulticall(anvil: Anvil): Promise<void> {
  // Viem exports it under no name of its own.
  const carried = (await import(
    new URL('../../node_modules/viem/_esm/constants/contracts.js', import.meta.url).href
  )) as {
    readonly multicall3Bytecode: string
  }
  const runtime: `0x${string}` = `0x${carried.multicall3Bytecode.slice(2 + 64)}`
  await createRpc(anvil.rpcUrl).request('anvil_setCode', [MULTICALL3_ADDRESS, runtime])
  expect(keccak256(runtime)).toBe('0x5a29a1eb2f59e45e4249b938c8192cac0d2bd32398e1afa03f302a867db692ea')
}
