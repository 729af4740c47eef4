import { createModelChain } from './create-model-chain.js'
import type { ModelChain, ModelChainOptions } from './model-chain-types.js'
import { nodeFrontend } from './node-frontend.js'
import { serveFrontend } from './serve-frontend.js'
import type { ServedFrontend } from './serve-frontend.js'

/** A model chain behind a real port. */
export interface ServedModelChain extends ServedFrontend {
  readonly chain: ModelChain
}

export async function startModelChain(options: ModelChainOptions): Promise<ServedModelChain> {
  const chain = createModelChain(options)
  const served = await serveFrontend(nodeFrontend(chain, { batch: chain.features.batch }))
  return { ...served, chain }
}
