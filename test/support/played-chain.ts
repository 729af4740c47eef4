import type { BlockHeader } from '../../src/model/block.js'
import { encodeQuantity } from '../../src/chain/rpc/quantity.js'
import type { Hash } from '../../src/model/position.js'
import type { PlayedNode } from './played-nodes.js'

/** Headers of a chain with one second between blocks; `salt` tells branches apart. */
export function branchOf(parent: BlockHeader | null, blocks: number, salt: number): BlockHeader[] {
  const headers: BlockHeader[] = []
  for (let index = 0; index < blocks; index += 1) {
    const below = headers.at(-1) ?? parent
    const number = below === null ? 0n : below.number + 1n
    headers.push({
      number,
      hash: hashOf(Number(number), salt),
      parentHash: below?.hash ?? hashOf(0, 0),
      timestampSeconds: 1_700_000_000 + Number(number),
    })
  }
  return headers
}

/** A node of chain 1 that shows the headers it is given at the moment, and knows those of `all` by hash. */
export function headerNode(shown: () => readonly BlockHeader[], all: ReadonlyMap<Hash, BlockHeader>): PlayedNode {
  return (calls) => ({
    results: calls.map(({ method, params }) => {
      const chain = shown()
      const [key] = params
      if (method === 'eth_chainId') return '0x1'
      if (method === 'eth_blockNumber') return encodeQuantity(chain.at(-1)?.number ?? 0n)
      const found =
        method === 'eth_getBlockByHash'
          ? all.get(key as Hash)
          : key === 'latest'
            ? chain.at(-1)
            : chain[Number(BigInt(String(key)))]
      return found === undefined ? null : wireHeader(found)
    }),
  })
}

function wireHeader({ number, hash, parentHash, timestampSeconds }: BlockHeader): object {
  return { number: encodeQuantity(number), hash, parentHash, timestamp: encodeQuantity(BigInt(timestampSeconds)) }
}

function hashOf(number: number, salt: number): Hash {
  return `0x${salt.toString(16).padStart(32, '0')}${(number + 1).toString(16).padStart(32, '0')}`
}
