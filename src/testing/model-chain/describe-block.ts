import { NO_ACCOUNT, addressWord, quantity } from './abi-words.js'
import type { ModelBlock, ModelLog, ModelTransaction } from './model-block.js'
import { GAS_LIMIT, NO_OMMERS } from './seal-block.js'

type Json = Readonly<Record<string, unknown>>

const ZERO_WORD = addressWord(NO_ACCOUNT)
const WITHDRAWAL_INDEX = 1_000_000n

/** Made once for each block: the same block is asked for again and again. */
const headers = new WeakMap<ModelBlock, Json>()

export function describeHeader(block: ModelBlock): Json {
  const known = headers.get(block)
  if (known !== undefined) return known
  const header: Json = {
    number: quantity(block.number),
    hash: block.hash,
    parentHash: block.parentHash,
    sha3Uncles: NO_OMMERS,
    miner: block.producer,
    stateRoot: block.stateRoot,
    transactionsRoot: block.transactionsRoot,
    receiptsRoot: block.receiptsRoot,
    logsBloom: block.logsBloom,
    difficulty: '0x0',
    gasLimit: quantity(GAS_LIMIT),
    gasUsed: quantity(block.gasUsed),
    timestamp: quantity(block.timestampSeconds),
    extraData: block.extraData,
    mixHash: ZERO_WORD,
    nonce: '0x0000000000000000',
    baseFeePerGas: quantity(block.baseFee),
    withdrawalsRoot: block.withdrawalsRoot,
  }
  headers.set(block, header)
  return header
}

/** A block as eth_getBlockBy… shows it. */
export function describeBlock(block: ModelBlock, full: boolean): Json {
  const { transactions, withdrawals } = block
  return {
    ...describeHeader(block),
    size: '0x400',
    uncles: [],
    transactions: full
      ? transactions.map((transaction) => describeTransaction(block, transaction))
      : transactions.map(({ hash }) => hash),
    withdrawals: withdrawals.map(({ to, amountGwei }, index) => ({
      index: quantity(WITHDRAWAL_INDEX + block.number * 16n + BigInt(index)),
      validatorIndex: quantity(index + 1),
      address: to,
      amount: quantity(amountGwei),
    })),
  }
}

export function describeTransaction(block: ModelBlock, transaction: ModelTransaction): Json {
  const { hash, index, from, to, nonce, value, input, gasUsed, gasPrice } = transaction
  return {
    blockHash: block.hash,
    blockNumber: quantity(block.number),
    hash,
    transactionIndex: quantity(index),
    from,
    to,
    nonce: quantity(nonce),
    value: quantity(value),
    input,
    type: '0x2',
    accessList: [],
    gas: quantity(gasUsed * 2n),
    gasPrice: quantity(gasPrice),
    maxFeePerGas: quantity(gasPrice * 2n),
    maxPriorityFeePerGas: quantity(gasPrice - block.baseFee),
    v: '0x0',
    yParity: '0x0',
    r: hash,
    s: hash,
  }
}

export function describeReceipt(block: ModelBlock, transaction: ModelTransaction): Json {
  const { hash, index, from, to, created, gasUsed, gasPrice, succeeded, logs } = transaction
  const before = block.transactions.slice(0, index + 1).reduce((sum, each) => sum + each.gasUsed, 0n)
  return {
    blockHash: block.hash,
    blockNumber: quantity(block.number),
    transactionHash: hash,
    transactionIndex: quantity(index),
    from,
    to,
    contractAddress: created,
    type: '0x2',
    status: succeeded ? '0x1' : '0x0',
    gasUsed: quantity(gasUsed),
    cumulativeGasUsed: quantity(before),
    effectiveGasPrice: quantity(gasPrice),
    logs: logs.map((log) => describeLog(block, log, false)),
    logsBloom: logs.length === 0 ? `0x${'00'.repeat(256)}` : block.logsBloom,
  }
}

export function describeLog(block: ModelBlock, log: ModelLog, removed: boolean): Json {
  const { address, topics, data, transactionHash, transactionIndex, logIndex } = log
  return {
    address,
    topics,
    data,
    blockHash: block.hash,
    blockNumber: quantity(block.number),
    blockTimestamp: quantity(block.timestampSeconds),
    transactionHash,
    transactionIndex: quantity(transactionIndex),
    logIndex: quantity(logIndex),
    removed,
  }
}

export function describeLogs(block: ModelBlock, removed: boolean): readonly Json[] {
  return block.transactions.flatMap(({ logs }) => logs.map((log) => describeLog(block, log, removed)))
}
