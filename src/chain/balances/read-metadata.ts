import { hexToBytes } from 'viem/utils'

import type { Address } from '../../model/address.js'
import type { BlockHeader } from '../../model/block.js'
import type { Hex } from '../../model/position.js'
import type { TokenMetadata } from '../../model/token-metadata.js'
import type { RpcCall, RpcOutcome } from '../rpc/http-endpoint.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import { encodeQuantity } from '../rpc/quantity.js'
import { blockArgument } from './block-argument.js'

const DECIMALS = '0x313ce567'
const SYMBOL = '0x95d89b41'
const NAME = '0x06fdde03'
/** Longer texts are cut: a token's name is hostile text. */
const TEXT_MAX = 64
/** Enough to find the text in an answer of any honest form. */
const ANSWER_BYTES_MAX = 1024
/** Tokens in one batch; each takes three calls. */
const BATCH_TOKENS = 10
/** A token pays by the byte for what it answers: so much gas is a megabyte or less, and many an honest text. */
const GAS_PER_CALL = encodeQuantity(1_000_000n)

/** Reads what tokens say of themselves at one block. A token that does not answer gets nulls, and harms no other. */
export async function readMetadata(
  client: RpcClient,
  header: BlockHeader,
  tokens: readonly Address[],
): Promise<ReadonlyMap<Address, TokenMetadata>> {
  const metadata = new Map<Address, TokenMetadata>()
  for (let start = 0; start < tokens.length; start += BATCH_TOKENS) {
    const part = tokens.slice(start, start + BATCH_TOKENS)
    const outcomes = await client.run((session) =>
      session.batch(
        part.flatMap((to) =>
          [DECIMALS, SYMBOL, NAME].map((data): RpcCall => ({
            method: 'eth_call',
            params: [{ to, data, gas: GAS_PER_CALL }, blockArgument(session, header)],
          })),
        ),
      ),
    )
    part.forEach((token, index) => {
      const [decimals, symbol, name] = outcomes.slice(index * 3, index * 3 + 3)
      metadata.set(token, { decimals: decodeDecimals(decimals), symbol: decodeText(symbol), name: decodeText(name) })
    })
  }
  return metadata
}

/** ERC-20 decimals are a uint8; anything beyond that is nonsense and taken as unknown. */
function decodeDecimals(outcome: RpcOutcome | undefined): number | null {
  const data = dataOf(outcome)
  if (data === null || data.length < 66) return null
  const value = BigInt(data.slice(0, 66))
  return value <= 255n ? Number(value) : null
}

/** A `string` as the ABI has it, or the `bytes32` of early tokens. */
function decodeText(outcome: RpcOutcome | undefined): string | null {
  const data = dataOf(outcome)
  if (data === null) return null
  const bytes = hexToBytes(data.slice(0, 2 + 2 * ANSWER_BYTES_MAX) as Hex)
  if (bytes.length === 32) return cleanText(bytes.subarray(0, firstZero(bytes)))
  if (bytes.length < 64) return null
  const offset = wordAt(bytes, 0)
  if (offset === null || offset + 32 > bytes.length) return null
  const length = wordAt(bytes, offset)
  if (length === null) return null
  return cleanText(bytes.subarray(offset + 32, offset + 32 + length))
}

function dataOf(outcome: RpcOutcome | undefined): Hex | null {
  if (outcome?.ok !== true || typeof outcome.result !== 'string') return null
  return /^0x([0-9a-fA-F]{2})*$/.test(outcome.result) ? (outcome.result as Hex) : null
}

/** A word as a number; null when it is too large to be an offset or a length. */
function wordAt(bytes: Uint8Array, offset: number): number | null {
  const word = bytes.subarray(offset, offset + 32)
  if (word.length < 32 || word.subarray(0, 28).some((byte) => byte !== 0)) return null
  return Buffer.from(word).readUInt32BE(28)
}

function firstZero(bytes: Uint8Array): number {
  const index = bytes.indexOf(0)
  return index === -1 ? bytes.length : index
}

/** Without control, bidirectional and other invisible characters, which serve to deceive; null when nothing is left. */
function cleanText(bytes: Uint8Array): string | null {
  const text = new TextDecoder('utf-8')
    .decode(bytes)
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}\uFFFD]/gu, '')
    .trim()
  return text === '' ? null : Array.from(text).slice(0, TEXT_MAX).join('')
}
