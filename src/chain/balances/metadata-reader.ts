import type { Address } from '../../model/address.js'
import type { BlockHeader } from '../../model/block.js'
import type { WatchedPosition } from '../../model/chain-event.js'
import { TidemarkError, messageOf } from '../../model/errors.js'
import type { Logger } from '../../model/logger.js'
import type { Token } from '../../model/position.js'
import type { TokenMetadata } from '../../model/token-metadata.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import { readMetadata } from './read-metadata.js'

/** Tokens seldom change what they say of themselves. */
const REREAD_MS = 24 * 60 * 60_000
/** What a token did not say may have been the node's fault. */
const REREAD_INCOMPLETE_MS = 10 * 60_000
/** Each try that fails costs its block some seconds. */
const REREAD_FAILED_MS = 30_000

/** Reads the metadata of tokens when they are first seen, and once a day; sooner where something was missing. */
export class MetadataReader {
  readonly #client: RpcClient
  readonly #native: TokenMetadata
  readonly #logger: Logger
  readonly #dueAtMs = new Map<Token, number>()

  constructor(client: RpcClient, native: TokenMetadata, logger: Logger) {
    this.#client = client
    this.#native = native
    this.#logger = logger
  }

  /**
   * @returns what was read for this block; empty for nearly every block, and where the endpoints did not answer: the
   * balances of a block do not wait for names.
   */
  async read(header: BlockHeader, positions: readonly WatchedPosition[]): Promise<ReadonlyMap<Token, TokenMetadata>> {
    const due = new Set<Token>()
    for (const { token } of positions) {
      if (this.#client.clock.monotonicMs() >= (this.#dueAtMs.get(token) ?? 0)) due.add(token)
    }
    if (due.size === 0) return new Map()
    const contracts = [...due].filter((token) => token !== 'native')
    const metadata = new Map<Token, TokenMetadata>(await this.#tryRead(header, contracts))
    if (due.has('native')) metadata.set('native', this.#native)
    for (const [token, { decimals, symbol, name }] of metadata) {
      const complete = decimals !== null && symbol !== null && name !== null
      this.#dueAtMs.set(
        token,
        this.#client.clock.monotonicMs() + (complete || token === 'native' ? REREAD_MS : REREAD_INCOMPLETE_MS),
      )
    }
    return metadata
  }

  async #tryRead(header: BlockHeader, tokens: readonly Address[]): Promise<ReadonlyMap<Address, TokenMetadata>> {
    try {
      return await readMetadata(this.#client, header, tokens)
    } catch (error) {
      if (this.#client.signal.aborted || !(error instanceof TidemarkError)) throw error
      this.#logger.warn(
        { block: header.number.toString(), error: messageOf(error) },
        'names of tokens could not be read',
      )
      for (const token of tokens) this.#dueAtMs.set(token, this.#client.clock.monotonicMs() + REREAD_FAILED_MS)
      return new Map()
    }
  }
}
