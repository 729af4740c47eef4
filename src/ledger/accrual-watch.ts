import type { Attribution, BlockObservation } from '../model/chain-event.js'
import { positionKey } from '../model/position.js'
import type { Token } from '../model/position.js'
import type { StoredPosition } from './ledger-store.js'
import { pairReadings } from './pair-readings.js'

/** How many of the newest blocks are remembered for each token. */
const WINDOW_BLOCKS = 20
/** In so many of them a balance must have changed by itself before its token counts as accruing. */
const ACCRUING_BLOCKS = 16
/** Time on the chain between two records of a balance that grows by itself. */
const SAMPLE_INTERVAL_SECONDS = 10 * 60
/** After so many blocks in which nothing of it changed by itself, an accruing token counts as any other again. */
const SETTLED_BLOCKS = 100

const WINDOW_MASK = 2 ** WINDOW_BLOCKS - 1

/** What a block shows of tokens that grow by themselves. */
export interface AccrualFindings {
  /** Tokens that count as accruing from this block on. */
  readonly accruing: readonly Token[]
  /** Tokens that do so no more. */
  readonly settled: readonly Token[]
}

/**
 * Finds tokens whose balances grow by themselves in every block, and remembers when their positions were last recorded.
 * A record for each block would say nothing, and bury the changes that somebody made.
 */
export class AccrualWatch {
  /** Per token one bit for each of the newest blocks, the newest one lowest: whether it changed by itself. */
  readonly #windows = new Map<Token, number>()
  /** Per accruing token the blocks in a row that explained all there was of it. */
  readonly #quietBlocks = new Map<Token, number>()
  readonly #sampledAtSeconds = new Map<string, number>()

  /** When each accruing position was last recorded: seconds since 1970 by `positionKey`. */
  get sampledAtSeconds(): ReadonlyMap<string, number> {
    return this.#sampledAtSeconds
  }

  /** Takes a block in. */
  observe(positions: ReadonlyMap<string, StoredPosition>, observation: BlockObservation): AccrualFindings {
    const tokens = observeTokens(positions, observation)
    return { accruing: this.#findAccruing(tokens), settled: this.#findSettled(tokens) }
  }

  #findAccruing(tokens: ReadonlyMap<Token, TokenMove>): readonly Token[] {
    for (const [token, move] of tokens) {
      // Interest does not fall: what does is moved by somebody, whatever the logs say.
      if (move === 'fell') this.#windows.delete(token)
      else if (move === 'grew' && !this.#windows.has(token)) this.#windows.set(token, 0)
    }
    const found: Token[] = []
    for (const [token, window] of this.#windows) {
      const next = ((window << 1) | (tokens.get(token) === 'grew' ? 1 : 0)) & WINDOW_MASK
      if (bitsOf(next) >= ACCRUING_BLOCKS) found.push(token)
      if (next === 0 || bitsOf(next) >= ACCRUING_BLOCKS) this.#windows.delete(token)
      else this.#windows.set(token, next)
    }
    return found
  }

  #findSettled(tokens: ReadonlyMap<Token, TokenMove>): readonly Token[] {
    const found: Token[] = []
    for (const [token, move] of tokens) {
      const blocks = move === 'quiet' ? (this.#quietBlocks.get(token) ?? 0) + 1 : 0
      if (blocks >= SETTLED_BLOCKS) found.push(token)
      if (blocks === 0 || blocks >= SETTLED_BLOCKS) this.#quietBlocks.delete(token)
      else this.#quietBlocks.set(token, blocks)
    }
    return found
  }

  recorded(position: StoredPosition, timestampSeconds: number): void {
    if (position.accruing) this.#sampledAtSeconds.set(positionKey(position), timestampSeconds)
  }

  /** Forgets what was recorded after a time: those blocks are gone. */
  rollBack(timestampSeconds: number): void {
    for (const [key, at] of this.#sampledAtSeconds) if (at > timestampSeconds) this.#sampledAtSeconds.delete(key)
  }
}

/** Whether a change of an accruing position is worth a record: somebody moved it, or the last sample is old. */
export function isWorthRecording(
  attribution: Attribution | null,
  timestampSeconds: number,
  sampledAtSeconds: number | undefined,
): boolean {
  if (attribution !== null && attribution.transactionHashes.length > 0) return true
  return sampledAtSeconds === undefined || timestampSeconds - sampledAtSeconds >= SAMPLE_INTERVAL_SECONDS
}

/** What became of a token's balances without a transaction; `quiet` is said of accruing tokens only. */
type TokenMove = 'grew' | 'fell' | 'unexplained' | 'quiet'

/**
 * Only where the block's logs were looked at: a node that cannot show them proves nothing. An accruing token is quiet
 * where somebody holds it and every balance is the recorded one, or differs by what transactions moved.
 */
function observeTokens(
  positions: ReadonlyMap<string, StoredPosition>,
  { readings, attributions }: BlockObservation,
): ReadonlyMap<Token, TokenMove> {
  const tokens = new Map<Token, TokenMove>()
  const paired = pairReadings(positions, readings)
  for (const [index, reading] of readings.entries()) {
    const position = paired[index]
    if (reading.kind === 'failed' || position === undefined || position.token === 'native') continue
    if (!position.covered || position.lastBalance === null) continue
    if (!position.accruing && reading.balance === position.lastBalance) continue
    const delta = reading.balance - position.lastBalance
    const attribution = attributions.get(positionKey(position))
    const before = tokens.get(position.token)
    if (position.accruing) {
      if (delta !== 0n && attribution?.unexplained !== 0n) tokens.set(position.token, 'unexplained')
      else if (before === undefined && reading.balance > 0n) tokens.set(position.token, 'quiet')
    } else if (delta !== 0n && attribution?.transactionHashes.length === 0 && before !== 'fell') {
      tokens.set(position.token, delta > 0n ? 'grew' : 'fell')
    }
  }
  return tokens
}

function bitsOf(window: number): number {
  let bits = 0
  for (let rest = window; rest > 0; rest >>>= 1) bits += rest & 1
  return bits
}
