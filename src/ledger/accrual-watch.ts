import type { Attribution, BlockObservation } from '../model/chain-event.js'
import { positionKey } from '../model/position.js'
import type { Token } from '../model/position.js'
import type { StoredPosition } from './ledger-store.js'

/** How many of the newest blocks are remembered for each token. */
const WINDOW_BLOCKS = 20
/** In so many of them a balance must have grown by itself, and in none fallen, before its token counts as accruing. */
const ACCRUING_BLOCKS = 16
/** Time on the chain between two records of a balance that grows by itself. */
const SAMPLE_INTERVAL_SECONDS = 10 * 60

const WINDOW_MASK = 2 ** WINDOW_BLOCKS - 1

/**
 * Finds tokens whose balances grow by themselves in every block, and remembers when their positions were last recorded.
 * A record for each block would say nothing, and bury the changes that somebody made.
 */
export class AccrualWatch {
  /** Per token one bit for each of the newest blocks, the newest one lowest: whether it grew by itself. */
  readonly #windows = new Map<Token, number>()
  readonly #sampledAtSeconds = new Map<string, number>()

  /** When each accruing position was last recorded: seconds since 1970 by `positionKey`. */
  get sampledAtSeconds(): ReadonlyMap<string, number> {
    return this.#sampledAtSeconds
  }

  /**
   * Takes a block in.
   *
   * @returns the tokens that this block makes accruing.
   */
  observe(positions: ReadonlyMap<string, StoredPosition>, observation: BlockObservation): readonly Token[] {
    const { grew, fell } = changedByThemselves(positions, observation)
    // A balance that falls by itself does not accrue: what was counted before tells nothing.
    for (const token of fell) this.#windows.delete(token)
    for (const token of grew) if (!fell.has(token) && !this.#windows.has(token)) this.#windows.set(token, 0)
    const found: Token[] = []
    for (const [token, window] of this.#windows) {
      const next = ((window << 1) | (grew.has(token) ? 1 : 0)) & WINDOW_MASK
      if (bitsOf(next) >= ACCRUING_BLOCKS) found.push(token)
      if (next === 0 || bitsOf(next) >= ACCRUING_BLOCKS) this.#windows.delete(token)
      else this.#windows.set(token, next)
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

/** Only where the block's logs were looked at: a node that cannot show them proves nothing. */
function changedByThemselves(
  positions: ReadonlyMap<string, StoredPosition>,
  { readings, attributions }: BlockObservation,
): { readonly grew: ReadonlySet<Token>; readonly fell: ReadonlySet<Token> } {
  const grew = new Set<Token>()
  const fell = new Set<Token>()
  for (const reading of readings) {
    if (reading.kind === 'failed') continue
    const key = positionKey(reading.position)
    const position = positions.get(key)
    if (position === undefined || position.token === 'native' || position.accruing) continue
    if (!position.covered || position.lastBalance === null || position.lastBalance === reading.balance) continue
    if (attributions.get(key)?.transactionHashes.length !== 0) continue
    const found = reading.balance > position.lastBalance ? grew : fell
    found.add(position.token)
  }
  return { grew, fell }
}

function bitsOf(window: number): number {
  let bits = 0
  for (let rest = window; rest > 0; rest >>>= 1) bits += rest & 1
  return bits
}
