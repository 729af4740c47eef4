import type { Address } from '../../src/model/address.js'
import type { ModelChainOptions } from '../../src/testing/model-chain/model-chain-types.js'
import { startModelChain } from '../../src/testing/model-chain/start-model-chain.js'
import type { ServedModelChain } from '../../src/testing/model-chain/start-model-chain.js'

export const CHAIN_ID = 31_337n

export const wallet = (index: number): Address => `0x${(0xabc000 + index).toString(16).padStart(40, '0')}`

/** A chain of the tests' own making, on a socket of its own. */
export function serve(options: Partial<ModelChainOptions> = {}): Promise<ServedModelChain> {
  return startModelChain({ chainId: CHAIN_ID, seed: 1, ...options })
}
