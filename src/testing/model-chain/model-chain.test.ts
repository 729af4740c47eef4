import { describe, expect, it } from 'vitest'
import { keccak256, toRlp } from 'viem/utils'

import type { Address } from '../../model/address.js'
import type { Hash, Hex, Token } from '../../model/position.js'
import { createRandom } from '../random.js'
import { DEPOSIT, TRANSFER, addressWord } from './abi-words.js'
import { createModelChain } from './create-model-chain.js'
import type { BlockContent, ModelChain, ModelChainOptions } from './model-chain-types.js'
import { ModelChainError } from './model-chain-error.js'
import { modelTokenKinds } from './model-token.js'
import type { ModelTokenKind } from './model-token.js'

const ETHER = 10n ** 18n
const plain: Address = `0x${'a1'.repeat(20)}`
const contract: Address = `0x${'c1'.repeat(20)}`
const delegated: Address = `0x${'d1'.repeat(20)}`
const token: Address = `0x${'70'.repeat(20)}`
const producer: Address = `0x${'99'.repeat(20)}`

function create(kind: ModelTokenKind = 'plain', options: Partial<ModelChainOptions> = {}): ModelChain {
  return createModelChain({
    chainId: 5n,
    seed: 1,
    wallets: [
      { address: plain, balance: 10n * ETHER },
      { address: contract, kind: 'contract', balance: 10n * ETHER },
      { address: delegated, kind: 'delegated', balance: 10n * ETHER },
    ],
    tokens: [{ kind, address: token, holders: { [plain]: 1000n, [contract]: 1000n } }],
    ...options,
  })
}

function result(chain: ModelChain, method: string, ...params: readonly unknown[]): unknown {
  const answer = chain.answer({ method, params })
  if ('error' in answer) throw new Error(`${answer.error.code} ${answer.error.message}`)
  return answer.result
}

function balance(chain: ModelChain, wallet: Address, asset: Token = 'native'): bigint | 'unreadable' {
  return chain.balanceAt(chain.head.hash, asset, wallet)
}

/** What a block's transactions of one sender cost it. */
function feesOf(chain: ModelChain, sender: Address): bigint {
  return chain.head.transactions
    .filter(({ from }) => from === sender)
    .reduce((sum, { gasUsed, gasPrice }) => sum + gasUsed * gasPrice, 0n)
}

describe('native balances of a model chain', () => {
  it('change by value and fee for a plain wallet, by value alone for a contract', () => {
    const chain = create()
    chain.mine([
      { kind: 'transfer', from: plain, to: contract, value: 3n },
      { kind: 'failed-transfer', from: plain, to: contract, value: 50n },
      { kind: 'transfer', from: plain, to: plain, value: ETHER },
      { kind: 'transfer', from: contract, to: delegated, value: 7n },
    ])
    expect(balance(chain, plain)).toBe(10n * ETHER - 3n - feesOf(chain, plain))
    expect(chain.head.transactions.filter(({ from }) => from === plain)).toHaveLength(3)
    expect(balance(chain, contract)).toBe(10n * ETHER + 3n - 7n)
    expect(balance(chain, delegated)).toBe(10n * ETHER + 7n)
    expect(result(chain, 'eth_getTransactionCount', plain, 'latest')).toBe('0x3')
  })

  it('change by internal payments, creations, withdrawals, rewards, tips and without any trace', () => {
    const chain = create()
    chain.mine([
      { kind: 'produce', producer, reward: 5n },
      { kind: 'internal', from: delegated, to: plain, value: 11n },
      { kind: 'withdrawal', to: contract, amountGwei: 2n },
      { kind: 'create', from: plain, value: 13n },
      { kind: 'irregular', to: delegated, value: -17n },
    ])
    const { transactions, baseFee } = chain.head
    const tips = transactions.reduce((sum, { gasUsed, gasPrice }) => sum + gasUsed * (gasPrice - baseFee), 0n)
    expect(tips).toBeGreaterThan(0n)
    expect(balance(chain, producer)).toBe(5n + tips)
    expect(balance(chain, plain)).toBe(10n * ETHER + 11n - 13n - feesOf(chain, plain))
    expect(balance(chain, contract)).toBe(10n * ETHER + 2_000_000_000n)
    expect(balance(chain, delegated)).toBe(10n * ETHER - 11n - 17n)
    const created = transactions.find(({ to }) => to === null)?.created
    expect(result(chain, 'eth_getBalance', created, 'latest')).toBe('0xd')
    expect(result(chain, 'eth_getCode', created, 'latest')).not.toBe('0x')
  })

  it('refuse what nobody could pay', () => {
    const chain = create()
    const overdraft: BlockContent = [{ kind: 'transfer', from: plain, to: contract, value: 11n * ETHER }]
    expect(() => chain.mine(overdraft)).toThrow(ModelChainError)
    expect(() => chain.mine([{ kind: 'internal', from: plain, to: contract, value: 1n }])).toThrow(ModelChainError)
    expect(chain.head.number).toBe(0n)
  })
})

describe('tokens of a model chain', () => {
  it.each([
    { kind: 'plain', received: 100n, logs: 1 },
    { kind: 'fee-on-transfer', received: 99n, logs: 1 },
    { kind: 'silent', received: 100n, logs: 0 },
    { kind: 'phantom', received: 100n, logs: 1 },
    { kind: 'absurd-decimals', received: 100n, logs: 1 },
  ] as const)('move as a $kind token does', ({ kind, received, logs }) => {
    const chain = create(kind)
    chain.mine([{ kind: 'token-transfer', token, from: plain, to: delegated, value: 100n }])
    expect(balance(chain, plain, token)).toBe(900n)
    expect(balance(chain, delegated, token)).toBe(received)
    const told = result(chain, 'eth_getLogs', { blockHash: chain.head.hash, address: token, topics: [TRANSFER] })
    expect(told).toHaveLength(logs)
  })

  it('wrap and unwrap the native currency, with or without Transfer', () => {
    for (const [kind, logs] of [
      ['weth9', 2],
      ['arbitrum-weth', 4],
    ] as const) {
      const chain = create(kind)
      chain.mine([
        { kind: 'deposit', token, from: contract, value: 500n },
        { kind: 'withdraw', token, from: contract, value: 200n },
      ])
      expect(balance(chain, contract, token)).toBe(1300n)
      expect(balance(chain, contract)).toBe(10n * ETHER - 300n)
      expect(balance(chain, token)).toBe(2300n)
      const all = { blockHash: chain.head.hash, topics: [[TRANSFER, DEPOSIT, WITHDRAWAL_TOPIC]] }
      expect(result(chain, 'eth_getLogs', all)).toHaveLength(logs)
    }
  })

  it('change for all holders when they are rebased', () => {
    for (const [kind, logs] of [
      ['rebasing', 0],
      ['rebasing-with-event', 1],
    ] as const) {
      const chain = create(kind)
      chain.mine([{ kind: 'rebase', token, basisPoints: 1000 }])
      expect([balance(chain, plain, token), balance(chain, contract, token)]).toEqual([1100n, 1100n])
      expect(result(chain, 'eth_getLogs', { blockHash: chain.head.hash })).toHaveLength(logs)
    }
  })

  it('grow in every block when they accrue', () => {
    const chain = create('accruing', { tokens: [{ kind: 'accruing', address: token, holders: { [plain]: ETHER } }] })
    chain.mineEmpty(3)
    expect(chain.changesOf(token, plain).map(({ balance: grown }) => grown)).toEqual(
      [0n, 12n, 24n, 36n].map((seconds) => ETHER + seconds * 10n ** 11n),
    )
  })

  it('can be read or not, as their kind has it', () => {
    expect(modelTokenKinds.filter((kind) => balance(create(kind), plain, token) === 'unreadable')).toEqual([
      'gas-burning',
      'return-bomb',
      'short-return',
      'no-code',
    ])
    const chain = create('reverting')
    chain.mine([{ kind: 'set-broken', token, broken: true }])
    expect(balance(chain, plain, token)).toBe('unreadable')
    const read = { to: token, data: `0x70a08231${addressWord(plain).slice(2)}` }
    expect(chain.answer({ method: 'eth_call', params: [read, 'latest'] })).toMatchObject({ error: { code: 3 } })
    chain.mine([{ kind: 'set-broken', token, broken: false }])
    expect(BigInt(result(chain, 'eth_call', read, 'latest') as Hex)).toBe(1000n)
    expect(balance(create('native-alias'), plain, token)).toBe(10n * ETHER)
  })
})

describe('branches of a model chain', () => {
  const other: BlockContent = [{ kind: 'transfer', from: contract, to: plain, value: 5n }]

  it('lead from A to B and back to A, each with its own balances', () => {
    const chain = create()
    chain.mineEmpty(3)
    const a = chain.head
    chain.reorg(2, 3, () => other)
    const b = chain.head
    expect([b.number, chain.isCanonical(a.hash), balance(chain, plain)]).toEqual([4n, false, 10n * ETHER + 15n])
    chain.switchTo(a.hash)
    expect([chain.head.hash, chain.isCanonical(b.hash), balance(chain, plain)]).toEqual([a.hash, false, 10n * ETHER])
    expect(chain.balanceAt(b.hash, 'native', plain)).toBe(10n * ETHER + 15n)
    expect(chain.canonical().map(({ number }) => number)).toEqual([0n, 1n, 2n, 3n])
  })

  it('stay readable by hash, but not where the block must be canonical', () => {
    const chain = create()
    const orphan = chain.mine(other)
    chain.reorg(1, 1)
    expect(chain.head.number).toBe(orphan.number)
    const read = (requireCanonical: boolean): unknown =>
      chain.answer({ method: 'eth_getBalance', params: [plain, { blockHash: orphan.hash, requireCanonical }] })
    expect(read(false)).toEqual({ result: `0x${(10n * ETHER + 5n).toString(16)}` })
    expect(read(true)).toEqual({ error: { code: -32000, message: 'hash is not currently canonical' } })
    const forgetful = chain.node({ orphans: false })
    expect(forgetful.answer({ method: 'eth_getBlockByHash', params: [orphan.hash, false] })).toEqual({ result: null })
  })

  it('tell of new heads in order, and of logs that were taken back', () => {
    const chain = create()
    const heads: unknown[] = []
    const logs: unknown[] = []
    const end = chain.subscribe('newHeads', (head) => heads.push((head as { hash: Hash }).hash))
    chain.subscribe('logs', (log) => logs.push((log as { removed: boolean }).removed))
    const first = chain.mine([{ kind: 'token-transfer', token, from: plain, to: contract, value: 1n }])
    chain.reorg(1, 2, () => [{ kind: 'token-transfer', token, from: plain, to: contract, value: 2n }])
    expect(heads).toEqual([
      first.hash,
      ...chain
        .canonical()
        .slice(1)
        .map(({ hash }) => hash),
    ])
    expect(logs).toEqual([false, true, false, false])
    chain.reorg(1, 0)
    end()
    chain.mine()
    expect(heads).toHaveLength(3)
  })

  it('are the same for the same seed, and others for another', () => {
    const hashes = (seed: number): readonly Hash[] => {
      const chain = create('rebasing', { seed })
      const random = createRandom(7)
      for (let count = 0; count < 20; count += 1) {
        chain.activity(random)
        if (count % 6 === 5) chain.reorg(random.integer(1, 3), 4)
      }
      return chain.canonical().map(({ hash }) => hash)
    }
    expect(hashes(3)).toEqual(hashes(3))
    expect(hashes(3)[0]).not.toBe(hashes(4)[0])
  })
})

describe('a node of a model chain', () => {
  it('shows headers whose hash is that of their content', () => {
    const chain = create()
    chain.activity(createRandom(2), { actionsMax: 9 })
    const header = result(chain, 'eth_getBlockByNumber', 'latest', false) as Readonly<Record<string, Hex>>
    const integer = (name: string): Hex => {
      const digits = BigInt(header[name] ?? '0x0').toString(16)
      return digits === '0' ? '0x' : `0x${digits.padStart(digits.length + (digits.length % 2), '0')}`
    }
    const bytes = (name: string): Hex => header[name] ?? '0x'
    const hash = keccak256(
      toRlp([
        ...['parentHash', 'sha3Uncles', 'miner', 'stateRoot', 'transactionsRoot', 'receiptsRoot', 'logsBloom'].map(
          bytes,
        ),
        ...['difficulty', 'number', 'gasLimit', 'gasUsed', 'timestamp'].map(integer),
        ...['extraData', 'mixHash', 'nonce'].map(bytes),
        integer('baseFeePerGas'),
        bytes('withdrawalsRoot'),
      ]),
    )
    expect(header['hash']).toBe(hash)
  })

  it('filters logs by address, position and range as Geth does', () => {
    const chain = create('weth9')
    chain.mine([{ kind: 'token-transfer', token, from: plain, to: contract, value: 1n }])
    chain.mine([{ kind: 'deposit', token, from: plain, value: 1n }])
    const count = (filter: object): number =>
      (result(chain, 'eth_getLogs', { fromBlock: '0x0', ...filter }) as []).length
    expect(count({})).toBe(2)
    expect(count({ address: [producer] })).toBe(0)
    expect(count({ topics: [[DEPOSIT, TRANSFER]] })).toBe(2)
    expect(count({ topics: [null, addressWord(plain)] })).toBe(2)
    expect(count({ topics: [[], [], addressWord(contract)] })).toBe(1)
    expect(count({ topics: [TRANSFER, addressWord(contract)] })).toBe(0)
    expect(count({ fromBlock: '0x2' })).toBe(1)
    expect(count({ fromBlock: '0x9', toBlock: '0x10' })).toBe(0)
    const limited = chain.node({ maxLogRange: 2, maxLogResults: 1 })
    const ask = (filter: object): unknown => limited.answer({ method: 'eth_getLogs', params: [filter] })
    expect(ask({ fromBlock: '0x0', toBlock: '0x2' })).toHaveProperty('error.code', -32602)
    expect(ask({ fromBlock: '0x1', toBlock: '0x2' })).toHaveProperty(
      'error.message',
      'query returned more than 1 results',
    )
  })

  it('shows fees, creations and internal payments in receipts and traces', () => {
    const chain = create()
    chain.mine([
      { kind: 'internal', from: contract, to: plain, value: 9n },
      { kind: 'failed-transfer', from: plain, to: contract, value: 1n },
    ])
    expect(result(chain, 'debug_traceBlockByHash', chain.head.hash, { tracer: 'callTracer' })).toMatchObject([
      { result: { to: contract, calls: [{ type: 'CALL', from: contract, to: plain, value: '0x9' }] } },
      { result: { from: plain, error: 'execution reverted' } },
    ])
    expect(result(chain, 'trace_block', '0x1')).toHaveLength(3)
    expect(result(chain, 'trace_filter', { fromBlock: '0x0', toBlock: '0x1', toAddress: [plain] })).toHaveLength(1)
    expect(result(chain, 'eth_getBlockReceipts', { blockHash: chain.head.hash })).toMatchObject([
      { status: '0x1' },
      { status: '0x0', from: plain },
    ])
  })

  it('forgets states and bodies, lags and lacks what it is told to', () => {
    const chain = create()
    chain.mineEmpty(20)
    const node = chain.node({ prunedBelowDepth: 5, historyDepth: 5, blockHashParam: false, traces: false })
    const ask = (method: string, ...params: readonly unknown[]): unknown => node.answer({ method, params })
    expect(ask('eth_getBalance', plain, '0xe')).toHaveProperty(
      'error.message',
      expect.stringContaining('missing trie node'),
    )
    expect(ask('eth_getBalance', plain, '0xf')).toHaveProperty('result')
    expect(ask('eth_getBalance', plain, { blockHash: chain.head.hash })).toHaveProperty('error.code', -32602)
    expect(ask('eth_getBlockReceipts', '0xe')).toEqual({ result: null })
    expect(ask('debug_traceBlockByHash', chain.head.hash, {})).toHaveProperty('error.code', -32601)
    expect(ask('eth_getBlockByNumber', 'finalized', false)).toHaveProperty('result.number', '0x4')
    node.lagBlocks = 3
    expect(ask('eth_blockNumber')).toEqual({ result: '0x11' })
    expect(ask('eth_getBlockByHash', chain.head.hash, false)).toEqual({ result: null })
  })

  it('tells the nonces of accounts to code that overrides theirs', () => {
    const chain = create()
    for (let count = 0; count < 3; count += 1) chain.mine([{ kind: 'transfer', from: plain, to: contract, value: 1n }])
    // CREATE of nothing, and its address as the answer.
    const code = '0x5f5f5ff05f5260205ff3'
    const at = { blockHash: chain.head.parentHash, requireCanonical: true }
    const created = result(chain, 'eth_call', { to: plain, data: '0x' }, at, { [plain]: { code } }) as Hex
    const expected = keccak256(toRlp([plain, '0x02'])).slice(26)
    expect(created.slice(26)).toBe(expected)
  })
})

const WITHDRAWAL_TOPIC: Hash = '0x7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65'
