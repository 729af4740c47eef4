import type { BlockHeader } from '../../model/block.js'
import type { Hash } from '../../model/position.js'
import { decodeHeader } from '../rpc/decode-header.js'
import { encodeQuantity } from '../rpc/quantity.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import { MalformedAnswerError } from '../rpc/rpc-errors.js'

/** An endpoint that has not told its block by then has no voice. */
const VOICE_TIMEOUT_MS = 3000

/** What the endpoints say is the block of one number. */
export interface HeadVoices {
  /** Endpoints that show the asked hash. */
  readonly agreeing: number
  /** Endpoints that show another hash. */
  readonly contradicting: number
  /** Endpoints that answered that they do not have the block. */
  readonly lacking: number
  /** Endpoints that do not have the block, or did not answer. */
  readonly silent: number
}

/** Asks every endpoint that is not down for the hash of a block number. Takes at most a few seconds. */
export async function askForHash(client: RpcClient, block: Pick<BlockHeader, 'number' | 'hash'>): Promise<HeadVoices> {
  const voices = await client.askEach(async (session): Promise<Hash | null> => {
    const answer = await session.request('eth_getBlockByNumber', [encodeQuantity(block.number), false])
    if (answer === null) return null
    const header = decodeHeader(answer)
    if (header.number !== block.number) {
      throw new MalformedAnswerError(`asked for block ${block.number}, got ${header.number}`)
    }
    return header.hash
  }, VOICE_TIMEOUT_MS)
  const hashes = voices.flatMap((voice) => (voice.ok && voice.result !== null ? [voice.result] : []))
  const lacking = voices.filter((voice) => voice.ok && voice.result === null).length
  const agreeing = hashes.filter((hash) => hash === block.hash).length
  return { agreeing, contradicting: hashes.length - agreeing, lacking, silent: client.size - hashes.length }
}

/** Why a head must wait for more endpoints, in words; null when enough of them show it. */
export function heldBack(head: BlockHeader, voices: HeadVoices, agreement: number): string | null {
  if (voices.agreeing >= agreement) return null
  const { agreeing, contradicting, silent } = voices
  return (
    `expected ${agreement} endpoints to show block ${head.number} as ${head.hash}, ` +
    `${agreeing} did, ${contradicting} showed another hash, ${silent} none`
  )
}
