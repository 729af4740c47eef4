import type { Address } from '../../model/address.js'
import { parseAddress } from '../../model/address.js'
import type { BlockHeader } from '../../model/block.js'
import type { Hash, Hex, Token } from '../../model/position.js'
import { decodeArray, decodeData, decodeHash, decodeObject, decodeQuantity, isObject } from '../rpc/quantity.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import { BlockUnavailableError, MalformedAnswerError } from '../rpc/rpc-errors.js'

/** `Transfer(address,address,uint256)`, and the two events with which WETH9 moves balances without one. */
export const TRANSFER: Hash = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
export const DEPOSIT: Hash = '0xe1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c'
export const WITHDRAWAL: Hash = '0x7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65'

/** A log that may tell of a token movement. */
export interface TransferLog {
  readonly token: Address
  readonly topics: readonly Hash[]
  readonly data: Hex
  readonly transactionHash: Hash
  readonly transactionIndex: number
}

/** A transaction with what it cost its sender. */
export interface BlockTransaction {
  readonly hash: Hash
  readonly from: Address | null
  /** Null for a contract creation. */
  readonly to: Address | null
  /** The contract a creation made. */
  readonly created: Address | null
  readonly value: bigint
  readonly succeeded: boolean
  /** Gas used times price, and what a rollup adds for its parent chain. */
  readonly fee: bigint
  /** What of the fee goes to the block's producer, where the base fee is burnt. */
  readonly tip: bigint
}

export interface BlockActivity {
  /** Whom the block's tips go to. */
  readonly producer: Address | null
  readonly transactions: readonly BlockTransaction[]
  readonly logs: readonly TransferLog[]
}

/** The block's body and receipts: who paid whom, and every log. */
export async function fetchBlockActivity(client: RpcClient, header: BlockHeader): Promise<BlockActivity> {
  return client.run(async (session) => {
    const [block, receipts] = await session.batch([
      { method: 'eth_getBlockByHash', params: [header.hash, true] },
      { method: 'eth_getBlockReceipts', params: [{ blockHash: header.hash }] },
    ])
    if (block === undefined || receipts === undefined) throw new MalformedAnswerError('expected two answers')
    if (!block.ok) throw block.error
    if (!receipts.ok) throw receipts.error
    if (block.result === null || receipts.result === null) {
      throw new BlockUnavailableError(`the endpoint does not have block ${header.number}`)
    }
    const body = decodeObject(block.result, 'block')
    const receiptList = decodeArray(receipts.result, 'receipts').map((receipt) => decodeObject(receipt, 'receipt'))
    return {
      producer: addressOf(body['miner']),
      transactions: readTransactions(body, receiptList),
      logs: receiptList.flatMap((receipt) => readLogs(decodeArray(receipt['logs'], 'logs'), header)),
    }
  })
}

/** The logs of some tokens in one block that may tell of movements. */
export async function fetchTransferLogs(
  client: RpcClient,
  header: BlockHeader,
  tokens: readonly Token[],
): Promise<readonly TransferLog[]> {
  const filter = { blockHash: header.hash, address: [...new Set(tokens)], topics: [[TRANSFER, DEPOSIT, WITHDRAWAL]] }
  return client.run(async (session) =>
    readLogs(decodeArray(await session.request('eth_getLogs', [filter]), 'logs'), header),
  )
}

function readTransactions(
  block: Readonly<Record<string, unknown>>,
  receipts: readonly Readonly<Record<string, unknown>>[],
): BlockTransaction[] {
  const baseFee = optionalQuantity(block['baseFeePerGas'])
  const receiptOf = new Map(receipts.map((receipt) => [receipt['transactionHash'], receipt]))
  return decodeArray(block['transactions'], 'transactions').map((body) => {
    const transaction = decodeObject(body, 'transaction')
    const receipt = receiptOf.get(transaction['hash'])
    if (receipt === undefined) throw new MalformedAnswerError('a transaction of the block has no receipt')
    const gasUsed = optionalQuantity(receipt['gasUsed'])
    const gasPrice = optionalQuantity(receipt['effectiveGasPrice'])
    const blobFee = optionalQuantity(receipt['blobGasUsed']) * optionalQuantity(receipt['blobGasPrice'])
    return {
      hash: decodeHash(transaction['hash'], 'transaction hash'),
      from: addressOf(transaction['from']),
      to: addressOf(transaction['to']),
      created: addressOf(receipt['contractAddress']),
      value: optionalQuantity(transaction['value']),
      succeeded: receipt['status'] === '0x1',
      fee: gasUsed * gasPrice + blobFee + optionalQuantity(receipt['l1Fee']),
      tip: gasPrice > baseFee ? gasUsed * (gasPrice - baseFee) : 0n,
    }
  })
}

function readLogs(logs: readonly unknown[], header: BlockHeader): TransferLog[] {
  return logs.flatMap((value) => {
    const log = isObject(value) ? value : {}
    const token = addressOf(log['address'])
    const topics = Array.isArray(log['topics']) ? (log['topics'] as unknown[]) : []
    // A log of another block, or one taken back, tells nothing of this one.
    if (token === null || log['removed'] === true || log['blockHash'] !== header.hash) return []
    return {
      token,
      topics: topics.map((topic) => decodeHash(topic, 'log topic')),
      data: decodeData(log['data'], 'log data'),
      transactionHash: decodeHash(log['transactionHash'], 'transaction hash'),
      transactionIndex: Number(decodeQuantity(log['transactionIndex'], 'transaction index')),
    }
  })
}

function optionalQuantity(value: unknown): bigint {
  return value === undefined || value === null ? 0n : decodeQuantity(value, 'quantity')
}

function addressOf(value: unknown): Address | null {
  return typeof value === 'string' ? parseAddress(value) : null
}
