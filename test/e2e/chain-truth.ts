import { balancesAt } from '../../src/testing/index.js'
import type { Holding, World } from '../../src/testing/index.js'
import { createRpc } from '../../src/testing/rpc.js'
import { formatToken } from '../../src/model/position.js'
import { toChecksumAddress } from '../../src/model/address.js'
import type { WireBalanceRecord } from '../../src/api/balance-wire.js'
import type { ServiceUnderTest } from './chain-service.js'

/** What a record says of the chain, without what the service adds. */
export interface PlainRecord {
  readonly position: string
  readonly blockNumber: bigint
  readonly blockHash: string
  readonly timestamp: string
  readonly balance: bigint
  readonly previousBalance: bigint | null
}

interface Header {
  readonly number: bigint
  readonly hash: string
  readonly timestamp: string
}

/** Blocks whose balances are asked for at the same time. */
const PARALLEL_BLOCKS = 8

export function nameOf({ token, solver }: Holding): string {
  return `${formatToken(token)}/${toChecksumAddress(solver)}`
}

/**
 * The records that the chain itself asks for: the first block, and each block whose balance differs from the one before.
 * Every block is asked for, with one plain request for each balance.
 */
export async function expectedRecords(
  rpcUrl: string,
  positions: readonly Holding[],
  [first, last]: readonly [bigint, bigint],
): Promise<PlainRecord[]> {
  const blocks = await Promise.all(range(first, last).map((number) => headerAt(rpcUrl, number)))
  const balances: bigint[][] = []
  for (let start = 0; start < blocks.length; start += PARALLEL_BLOCKS) {
    const part = blocks.slice(start, start + PARALLEL_BLOCKS)
    balances.push(...(await Promise.all(part.map(({ number }) => balancesAt(rpcUrl, positions, number)))))
  }
  return positions.flatMap((position, place) =>
    blocks.flatMap((block, index): PlainRecord[] => {
      const balance = at(at(balances, index), place)
      const previousBalance = index === 0 ? null : at(at(balances, index - 1), place)
      if (balance === previousBalance) return []
      const { number: blockNumber, hash: blockHash, timestamp } = block
      return [{ position: nameOf(position), blockNumber, blockHash, timestamp, balance, previousBalance }]
    }),
  )
}

/** Every record of every position as the service tells it, page by page, oldest first. */
export async function storedRecords(
  service: ServiceUnderTest,
  chainId: bigint,
  positions: readonly Holding[],
): Promise<WireBalanceRecord[]> {
  const lists: WireBalanceRecord[][] = []
  for (const position of positions) {
    const records: WireBalanceRecord[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const page: { readonly items: readonly WireBalanceRecord[]; readonly nextCursor: string | null } =
        await service.get(
          `/api/balances/${chainId}/${nameOf(position)}/history?limit=37${cursor === '' ? '' : `&cursor=${cursor}`}`,
        )
      records.push(...page.items)
      cursor = page.nextCursor
    }
    lists.push(records.toReversed())
  }
  return lists.flat()
}

export function plain(record: WireBalanceRecord): PlainRecord {
  return {
    position: `${record.tokenAddress}/${record.solverAddress}`,
    blockNumber: BigInt(record.blockNumber),
    blockHash: record.blockHash,
    timestamp: record.timestamp,
    balance: BigInt(record.balance),
    previousBalance: record.previousBalance === null ? null : BigInt(record.previousBalance),
  }
}

interface Transaction {
  readonly blockHash: string
  readonly from: string
  readonly to: string | null
  /** Whom the block's tips go to. */
  readonly producer: string
  readonly trace: string
  readonly logs: string
}

/**
 * What is wrong with the transactions that records name: each must be in the record's block, and a sole one must have
 * touched the wallet, as its body, its logs or its trace show, or have paid it as the block's producer.
 */
export async function wrongTransactions(
  world: Pick<World, 'chainId'> & { readonly rpcUrl: string },
  records: readonly WireBalanceRecord[],
): Promise<readonly string[]> {
  const hashes = new Set(records.flatMap(({ transactionHashes }) => transactionHashes))
  const transactions = new Map<string, Transaction>()
  await Promise.all([...hashes].map(async (hash) => transactions.set(hash, await readTransaction(world.rpcUrl, hash))))
  return records.flatMap((record) => {
    const found = record.transactionHashes.map((hash) => transactions.get(hash))
    if (found.some((transaction) => transaction?.blockHash !== record.blockHash))
      return [`not of its block: ${show(record)}`]
    const sole = record.transactionHash === undefined ? undefined : transactions.get(record.transactionHash)
    return sole === undefined || touches(sole, record.solverAddress)
      ? []
      : [`did not touch the wallet: ${show(record)}`]
  })
}

function touches({ from, to, producer, trace, logs }: Transaction, solver: string): boolean {
  const wallet = solver.toLowerCase()
  return [from, to, producer].includes(wallet) || trace.includes(wallet) || logs.includes(wallet.slice(2))
}

async function readTransaction(rpcUrl: string, hash: string): Promise<Transaction> {
  const rpc = createRpc(rpcUrl)
  const [receipt, trace] = await Promise.all([
    rpc.request('eth_getTransactionReceipt', [hash]),
    rpc.request('debug_traceTransaction', [hash, { tracer: 'callTracer' }]),
  ])
  const { blockHash, from, to, logs } = receipt as { blockHash: string; from: string; to: string | null; logs: unknown }
  const block = (await rpc.request('eth_getBlockByHash', [blockHash, false])) as { miner: string }
  return { blockHash, from, to, producer: block.miner, logs: JSON.stringify(logs), trace: JSON.stringify(trace) }
}

export async function headerAt(rpcUrl: string, number: bigint | 'latest' | 'finalized'): Promise<Header> {
  const tag = typeof number === 'string' ? number : `0x${number.toString(16)}`
  const block = (await createRpc(rpcUrl).request('eth_getBlockByNumber', [tag, false])) as Readonly<
    Record<string, string>
  >
  const seconds = Number(block['timestamp'])
  return {
    number: BigInt(block['number'] ?? -1),
    hash: block['hash'] ?? '',
    timestamp: new Date(seconds * 1000).toISOString(),
  }
}

function range(first: bigint, last: bigint): bigint[] {
  return Array.from({ length: Number(last - first) + 1 }, (_, index) => first + BigInt(index))
}

function at<Item>(list: readonly Item[], index: number): Item {
  const item = list[index]
  if (item === undefined) throw new Error(`expected an item at ${index} of ${list.length}`)
  return item
}

function show({ solverAddress, tokenAddress, blockNumber, transactionHashes }: WireBalanceRecord): string {
  return `${tokenAddress}/${solverAddress} at ${blockNumber}: ${transactionHashes.join(', ')}`
}
