import type { BlockHeader } from '../../model/block.js'
import type { WatchedPosition } from '../../model/chain-event.js'
import type { Token } from '../../model/position.js'
import type { TokenMetadata } from '../../model/token-metadata.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import { readMetadata } from './read-metadata.js'

/** Tokens seldom change what they say of themselves. */
const REREAD_MS = 24 * 60 * 60_000

/** Reads the metadata of tokens when they are first seen, and once a day. */
export class MetadataReader {
  readonly #client: RpcClient
  readonly #native: TokenMetadata
  readonly #readAtMs = new Map<Token, number>()

  constructor(client: RpcClient, native: TokenMetadata) {
    this.#client = client
    this.#native = native
  }

  /** @returns what was read for this block; empty for nearly every block. */
  async read(header: BlockHeader, positions: readonly WatchedPosition[]): Promise<ReadonlyMap<Token, TokenMetadata>> {
    const due = new Set<Token>()
    for (const { token } of positions) {
      if (Date.now() - (this.#readAtMs.get(token) ?? 0) >= REREAD_MS) due.add(token)
    }
    if (due.size === 0) return new Map()
    const contracts = [...due].filter((token) => token !== 'native')
    const metadata = new Map<Token, TokenMetadata>(await readMetadata(this.#client, header, contracts))
    if (due.has('native')) metadata.set('native', this.#native)
    for (const token of due) this.#readAtMs.set(token, Date.now())
    return metadata
  }
}
