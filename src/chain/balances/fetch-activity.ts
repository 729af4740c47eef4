import type { Address } from '../../model/address.js'
import { parseAddress } from '../../model/address.js'
import type { BlockHeader } from '../../model/block.js'
import type { Hash, Hex, Token } from '../../model/position.js'
import { decodeArray, decodeData, decodeHash, decodeObject, decodeQuantity, isObject } from '../rpc/quantity.js'
import type { EndpointSession, RpcClient, RunOptions } from '../rpc/rpc-client.js'
import { BlockUnavailableError, MalformedAnswerError } from '../rpc/rpc-errors.js'
import { MOVEMENT_TOPICS } from './transfer-topics.js'

const WEI_PER_GWEI = 1_000_000_000n
/** A transaction type of Arbitrum that credits its sender with the value it carries. */
const ARBITRUM_DEPOSIT = '0x64'

/** Whose movements are looked for: a busy block has thousands of others, which are not decoded. */
export interface Interest {
  readonly wallets: ReadonlySet<Address>
  readonly tokens: ReadonlySet<Token>
}

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
  readonly index: number
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
  /** What a deposit from the parent chain created for the sender; it stays when the transaction itself fails. */
  readonly minted: bigint
}

/** Currency that a validator took out (EIP-4895): it comes with the block and belongs to no transaction. */
export interface Withdrawal {
  readonly to: Address
  /** Wei. */
  readonly value: bigint
}

export interface BlockActivity {
  /** Whom the block's tips go to. */
  readonly producer: Address | null
  /** Those that name a wallet of interest; all of them where such a wallet produced the block. */
  readonly transactions: readonly BlockTransaction[]
  /** The place in the block of every transaction. */
  readonly indexes: ReadonlyMap<Hash, number>
  readonly withdrawals: readonly Withdrawal[]
  /** Those of tokens of interest, or that name a wallet of interest. */
  readonly logs: readonly TransferLog[]
}

type Json = Readonly<Record<string, unknown>>

/** A block's body and receipts as they came: what of them is of interest is known once the balances are. */
export interface BlockPapers {
  readonly header: BlockHeader
  readonly body: Json
  readonly receipts: readonly Json[]
}

/** Asks for a block's body and receipts, for so long at most. */
export function fetchBlockPapers(
  client: RpcClient,
  header: BlockHeader,
  options: RunOptions & { readonly timeoutMs: number },
): Promise<BlockPapers> {
  const fetch = async (session: EndpointSession): Promise<BlockPapers> => {
    const [block, receipts] = await session.batch([
      { method: 'eth_getBlockByHash', params: [header.hash, true] },
      { method: 'eth_getBlockReceipts', params: [{ blockHash: header.hash }] },
    ])
    if (block === undefined || receipts === undefined) throw new MalformedAnswerError('expected two answers')
    if (!block.ok) throw block.error
    if (!receipts.ok) throw receipts.error
    if (block.result === null) throw new BlockUnavailableError(`the endpoint does not have block ${header.number}`)
    const body = decodeObject(block.result, 'block')
    if (body['hash'] !== header.hash) throw new MalformedAnswerError('expected the block asked for, got another one')
    return { header, body, receipts: readReceipts(receipts.result, header) }
  }
  return client.run(fetch, options)
}

/**
 * Who paid whom, and every log, as far as it concerns the wallets and tokens of interest.
 *
 * @throws {MalformedAnswerError}
 */
export function readBlockActivity({ header, body, receipts }: BlockPapers, interest: Interest): BlockActivity {
  const bodies = decodeArray(body['transactions'], 'transactions').map((item) => decodeObject(item, 'transaction'))
  return {
    producer: addressOf(body['miner']),
    transactions: readTransactions({ bodies, receipts, block: body }, interest),
    indexes: new Map(bodies.map((item, index) => [decodeHash(item['hash'], 'transaction hash'), index])),
    withdrawals: readWithdrawals(body['withdrawals'], interest),
    logs: readReceiptLogs(receipts, header, interest),
  }
}

/** Which logs, and for how long they are asked for at most. */
interface LogQuery {
  readonly interest: Interest
  readonly timeoutMs: number
}

/** The logs of the tokens of interest in one block that may tell of movements. */
export async function fetchTransferLogs(
  client: RpcClient,
  header: BlockHeader,
  { interest, timeoutMs }: LogQuery,
): Promise<readonly TransferLog[]> {
  const filter = { blockHash: header.hash, address: [...interest.tokens], topics: [MOVEMENT_TOPICS] }
  const read = async (session: EndpointSession): Promise<readonly TransferLog[]> =>
    readLogs(decodeArray(await session.request('eth_getLogs', [filter]), 'logs'), header, interest)
  return client.run(read, { timeoutMs })
}

/** The same logs out of the receipts, from another endpoint where there is one: some nodes answer a query for logs with none, or with some of them. */
export async function fetchReceiptLogs(
  client: RpcClient,
  header: BlockHeader,
  { interest, timeoutMs }: LogQuery,
): Promise<readonly TransferLog[]> {
  const read = async (session: EndpointSession): Promise<readonly TransferLog[]> => {
    const receipts = await session.request('eth_getBlockReceipts', [{ blockHash: header.hash }])
    return readReceiptLogs(readReceipts(receipts, header), header, interest)
  }
  return client.run(read, { elsewhere: true, timeoutMs })
}

function readReceipts(answer: unknown, header: BlockHeader): readonly Json[] {
  if (answer === null) throw new BlockUnavailableError(`the endpoint has no receipts of block ${header.number}`)
  const receipts = decodeArray(answer, 'receipts').map((receipt) => decodeObject(receipt, 'receipt'))
  if (receipts.some((receipt) => receipt['blockHash'] !== header.hash)) {
    throw new MalformedAnswerError('expected receipts of the block asked for, got those of another one')
  }
  return receipts
}

interface Bodies {
  readonly bodies: readonly Json[]
  readonly receipts: readonly Json[]
  readonly block: Json
}

function readTransactions({ bodies, receipts, block }: Bodies, { wallets }: Interest): BlockTransaction[] {
  const baseFee = optionalQuantity(block['baseFeePerGas'])
  const producer = addressOf(block['miner'])
  const ofProducer = producer !== null && wallets.has(producer)
  const receiptOf = new Map(receipts.map((receipt) => [receipt['transactionHash'], receipt]))
  const concerns = (value: unknown): boolean => {
    const address = addressOf(value)
    return address !== null && wallets.has(address)
  }
  return bodies.flatMap((body, index) => {
    const receipt = receiptOf.get(body['hash'])
    if (receipt === undefined) throw new MalformedAnswerError('a transaction of the block has no receipt')
    const isOurs = concerns(body['from']) || concerns(body['to']) || concerns(receipt['contractAddress'])
    return ofProducer || isOurs ? [readTransaction({ body, receipt, index, baseFee })] : []
  })
}

function readTransaction({
  body,
  receipt,
  index,
  baseFee,
}: {
  readonly body: Json
  readonly receipt: Json
  readonly index: number
  readonly baseFee: bigint
}): BlockTransaction {
  const gasUsed = optionalQuantity(receipt['gasUsed'])
  const gasPrice = optionalQuantity(receipt['effectiveGasPrice'])
  const value = optionalQuantity(body['value'])
  return {
    hash: decodeHash(body['hash'], 'transaction hash'),
    index,
    from: addressOf(body['from']),
    to: addressOf(body['to']),
    created: addressOf(receipt['contractAddress']),
    value,
    succeeded: receipt['status'] === '0x1',
    fee: feeOf(receipt),
    tip: gasPrice > baseFee ? gasUsed * (gasPrice - baseFee) : 0n,
    // Deposits carry `mint` on chains of the OP Stack; on Arbitrum their value is minted.
    minted: body['type'] === ARBITRUM_DEPOSIT ? value : optionalQuantity(body['mint']),
  }
}

/** What a transaction cost its sender, by its receipt. */
export function feeOf(receipt: Json): bigint {
  const gas = optionalQuantity(receipt['gasUsed']) * optionalQuantity(receipt['effectiveGasPrice'])
  const blobs = optionalQuantity(receipt['blobGasUsed']) * optionalQuantity(receipt['blobGasPrice'])
  return gas + blobs + optionalQuantity(receipt['l1Fee'])
}

function readWithdrawals(value: unknown, { wallets }: Interest): Withdrawal[] {
  return decodeArray(value ?? [], 'withdrawals').flatMap((item) => {
    const withdrawal = decodeObject(item, 'withdrawal')
    const to = addressOf(withdrawal['address'])
    if (to === null || !wallets.has(to)) return []
    return [{ to, value: decodeQuantity(withdrawal['amount'], 'withdrawal amount') * WEI_PER_GWEI }]
  })
}

export function readReceiptLogs(
  receipts: readonly Json[],
  header: Pick<BlockHeader, 'hash'>,
  interest: Interest,
): TransferLog[] {
  return receipts.flatMap((receipt) => readLogs(decodeArray(receipt['logs'], 'logs'), header, interest))
}

/**
 * Only logs of movements, and of those only what concerns a token or wallet of interest. From EIP-7708 on, native
 * transfers are logged like a token's, by the system's address: no token of that address is ever watched.
 */
function readLogs(
  logs: readonly unknown[],
  header: Pick<BlockHeader, 'hash'>,
  { tokens, wallets }: Interest,
): TransferLog[] {
  return logs.flatMap((value) => {
    const log = isObject(value) ? value : {}
    const topics = Array.isArray(log['topics']) ? (log['topics'] as unknown[]) : []
    if (!movementTopics.has(topics[0])) return []
    const token = addressOf(log['address'])
    // A log of another block, or one taken back, tells nothing of this one.
    if (token === null || log['removed'] === true || log['blockHash'] !== header.hash) return []
    if (!tokens.has(token) && !topics.slice(1).some((topic) => wallets.has(addressInTopic(topic)))) return []
    return {
      token,
      topics: topics.map((topic) => decodeHash(topic, 'log topic')),
      data: decodeData(log['data'], 'log data'),
      transactionHash: decodeHash(log['transactionHash'], 'transaction hash'),
      transactionIndex: Number(decodeQuantity(log['transactionIndex'], 'transaction index')),
    }
  })
}

const movementTopics: ReadonlySet<unknown> = new Set(MOVEMENT_TOPICS)

function addressInTopic(topic: unknown): Address {
  return `0x${typeof topic === 'string' ? topic.slice(26) : ''}`
}

function optionalQuantity(value: unknown): bigint {
  return value === undefined || value === null ? 0n : decodeQuantity(value, 'quantity')
}

function addressOf(value: unknown): Address | null {
  return typeof value === 'string' ? parseAddress(value) : null
}
