import type { BlockHeader } from '../../model/block.js'
import { decodeHash, decodeObject, decodeQuantity } from './quantity.js'

/** @throws {MalformedAnswerError} */
export function decodeHeader(value: unknown): BlockHeader {
  const block = decodeObject(value, 'block')
  return {
    number: decodeQuantity(block['number'], 'block number'),
    hash: decodeHash(block['hash'], 'block hash'),
    parentHash: decodeHash(block['parentHash'], 'parent hash'),
    timestampSeconds: Number(decodeQuantity(block['timestamp'], 'block timestamp')),
  }
}
