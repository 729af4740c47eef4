import type { TidemarkEvent } from '../model/event.js'
import type { Token } from '../model/position.js'
import type { TokenMetadata } from '../model/token-metadata.js'
import type { StoredPosition } from './ledger-store.js'
import { mergeMetadata, sameMetadata } from './merge-metadata.js'

export interface TokenFindings {
  /** As read at this block. */
  readonly metadata: ReadonlyMap<Token, TokenMetadata>
  /** Tokens that this block makes accruing. */
  readonly accruing: readonly Token[]
  /** Accruing tokens that this block makes ordinary ones again. */
  readonly settled: readonly Token[]
}

/**
 * Announces what is new about tokens. What a token says of itself is told with the start of its positions; only what
 * differs from that later is told here.
 */
export function describeTokens(
  positions: ReadonlyMap<string, StoredPosition>,
  { metadata, accruing, settled }: TokenFindings,
): readonly TidemarkEvent[] {
  if (metadata.size + accruing.length + settled.length === 0) return []
  const events = new Map<Token, TidemarkEvent>()
  for (const position of positions.values()) {
    const { chainId, token } = position
    if (events.has(token) || position.fresh) continue
    const merged = mergeMetadata(position.metadata, metadata.get(token))
    const grows = accruing.includes(token) || (position.accruing && !settled.includes(token))
    if (grows === position.accruing && sameMetadata(merged, position.metadata)) continue
    const data = { chainId, tokenAddress: token, accruing: grows, ...merged }
    events.set(token, { type: 'token.changed', data })
  }
  return [...events.values()]
}
