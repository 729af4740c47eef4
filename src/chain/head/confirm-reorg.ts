import type { BlockRef } from '../../model/block.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import { askForHash } from './agree-on-head.js'

/** Rounds of asking while the endpoints contradict each other: one of them may only be behind. */
const ROUNDS_MAX = 4
const ROUND_MS = 250

/**
 * Whether a branch that displaces known blocks may count. Parent hashes prove that the branch is one, not that it is
 * canonical: a node that hangs on an abandoned branch shows valid headers too.
 *
 * @param branch the lowest block of the branch, the child of the common ancestor
 * @param longer the branch reaches above the known chain, which settles a tie of voices
 * @returns null when it counts; else why not, in words
 */
export async function refuseReorg(client: RpcClient, branch: BlockRef, longer: boolean): Promise<string | null> {
  let reason = ''
  for (let round = 1; round <= ROUNDS_MAX; round += 1) {
    const { agreeing, contradicting } = await askForHash(client, branch)
    if (agreeing > contradicting) return null
    if (longer && agreeing > 0 && agreeing === contradicting && round === ROUNDS_MAX) return null
    reason =
      `a reorganisation to block ${branch.number} (${branch.hash}) is not followed: ` +
      `${agreeing} endpoints show it, ${contradicting} another block`
    // With no voice for the branch it was a leftover of an abandoned one: nothing to wait for.
    if (agreeing === 0 && contradicting > 0) return reason
    if (round < ROUNDS_MAX) await client.clock.sleep(ROUND_MS * 2 ** (round - 1), client.signal)
  }
  return reason
}
