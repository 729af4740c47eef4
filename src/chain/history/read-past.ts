import type { Address } from '../../model/address.js'
import type { BlockRef } from '../../model/block.js'
import type { Clock } from '../../model/clock.js'
import type { Logger } from '../../model/logger.js'
import type { Hash, Hex } from '../../model/position.js'
import { otherBlockError } from '../balances/other-block.js'
import { requireSameBlock } from '../balances/block-argument.js'
import { historyScannerBytecode } from '../balances/scanner/history-scanner-bytecode.js'
import { decodeData } from '../rpc/quantity.js'
import { isSupported } from '../rpc/is-supported.js'
import type { EndpointSession, RpcClient } from '../rpc/rpc-client.js'
import { EmptyAnswerError, MalformedAnswerError, NodeError } from '../rpc/rpc-errors.js'
import type { PastAnswer, PastQuery, PastReading } from './past-query.js'
import { nameBlock, nameOfBlocks, readPastPlainly } from './read-past-plainly.js'
import type { BlockName } from './read-past-plainly.js'

interface Scanning {
  readonly mode: 'override' | 'plain'
  readonly name: BlockName
  readonly probedAtMs: number
  chunk: number
}

/** Where the scanner's code is placed for the length of one call; nobody holds the key to this address. */
const SCANNER_ADDRESS: Address = '0x7469646d61726b207363616e6e65720000000002'
/** CREATE an empty contract and answer its address: `create(0, 0, 0)`, stored and returned. */
const FINGERPRINT_CODE: Hex = '0x60008080f060005260206000f3'
/** Enough for every proxied or rebasing token we know of, and little enough that a hostile one cannot use up a call. */
const GAS_PER_ITEM = 300_000
const MEMORY_KEY = 'past-scanning'
const CHUNK_START = 5000
/** What an endpoint cannot do may change with its next release. */
const PROBE_AGAIN_MS = 60 * 60_000
const CHUNK_MAX = 10_000
const HEAD_CHARS = 128
const ITEM_CHARS = 66
/** Ancestors that the BLOCKHASH opcode knows. */
export const ANCESTORS_MAX = 256n

const subjects = { native: 0, fingerprint: 1, code: 2, ancestor: 3 } as const

/**
 * Reads many values at one past block, pinned to its hash: in one `eth_call` as far as the gas goes, one by one on nodes
 * that cannot place code for a call.
 *
 * @throws {BlockUnavailableError} when the block is not canonical on any endpoint
 * @throws {StateUnavailableError} when no endpoint has the block's state any more
 */
export function readPast(
  client: RpcClient,
  block: BlockRef,
  queries: readonly PastQuery[],
  logger: Logger,
): Promise<PastReading> {
  return client.run(async (session) => {
    const scanning = await scanningOf(session, block, { clock: client.clock, logger })
    if (scanning.mode === 'plain') return readPastPlainly(session, block, { queries, name: scanning.name })
    return scanApart(session, block, { scanning, queries })
  })
}

/**
 * Hashes of the blocks below a block, nearest first, from the EVM itself.
 *
 * @returns null where the node cannot place code for a call. The hashes are hearsay until they are checked: some chains
 * and test nodes answer with others than their blocks have.
 */
export function readAncestors(
  client: RpcClient,
  block: BlockRef,
  count: bigint,
  logger: Logger,
): Promise<readonly Hash[] | null> {
  return client.run(async (session) => {
    const { mode, name } = await scanningOf(session, block, { clock: client.clock, logger })
    if (mode === 'plain') return null
    const operands = Array.from({ length: Number(count) }, (_, index) => toOperand(block.number - BigInt(index) - 1n))
    const data = encodeGroups([{ subject: toOperand(BigInt(subjects.ancestor)), operands }])
    const { words } = decodeScan(
      await callScanner(session, block, { data, accounts: [], name }),
      block,
      operands.length,
    )
    return words.map(({ value }): Hash => `0x${value}`)
  })
}

/** Finds out once in a while which way of reading the endpoint supports, by trying each on this block. */
async function scanningOf(
  session: EndpointSession,
  block: BlockRef,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<Scanning> {
  const known = session.memory.get(MEMORY_KEY) as Scanning | undefined
  const isBest = known?.mode === 'override' && known.name === 'hash'
  if (known !== undefined && (isBest || clock.monotonicMs() - known.probedAtMs < PROBE_AGAIN_MS)) return known
  const found: Scanning = { ...(await probe(session, block)), probedAtMs: clock.monotonicMs(), chunk: CHUNK_START }
  session.memory.set(MEMORY_KEY, found)
  logger.info({ endpoint: session.host, mode: found.mode, name: found.name }, 'way of reading the past chosen')
  return found
}

/** Hashes first: by number, a node cannot be held to the very block. */
async function probe(session: EndpointSession, block: BlockRef): Promise<Pick<Scanning, 'mode' | 'name'>> {
  for (const name of ['hash', 'number'] as const) {
    if (await works(session, block, name)) return { mode: 'override', name }
  }
  return { mode: 'plain', name: await nameOfBlocks(session, block) }
}

/** Tries every kind of query that needs placed code. A node that lacks it answers with an error or with nothing. */
async function works(session: EndpointSession, block: BlockRef, name: BlockName): Promise<boolean> {
  const queries: readonly PastQuery[] = [
    { subject: 'native', account: '0x0000000000000000000000000000000000000b0b' },
    { subject: 'fingerprint', account: '0x0000000000000000000000000000000000000b0b' },
  ]
  return isSupported(session, `past by override and ${name}`, async () => {
    const { answers } = await scanChunk(session, block, { queries, name })
    return answers.length === queries.length && answers.every(({ kind }) => kind === 'value')
  })
}

/** Code placed at an account must not be seen by a token, nor be taken for the account's own: such queries go apart. */
async function scanApart(
  session: EndpointSession,
  block: BlockRef,
  { scanning, queries }: ScanTask,
): Promise<PastReading> {
  const placing = queries.some(({ subject }) => subject === 'fingerprint')
  const apart = placing ? queries.filter(({ subject }) => subject !== 'fingerprint' && subject !== 'native') : []
  if (apart.length === 0) return scanAll(session, block, { scanning, queries })
  const together = queries.filter(({ subject }) => subject === 'fingerprint' || subject === 'native')
  const one = await scanAll(session, block, { scanning, queries: together })
  const other = await scanAll(session, block, { scanning, queries: apart })
  const answers = new Map<PastQuery, PastAnswer>()
  together.forEach((query, index) => setAnswer(answers, query, one.answers[index]))
  apart.forEach((query, index) => setAnswer(answers, query, other.answers[index]))
  return { timestampSeconds: one.timestampSeconds, answers: queries.map((query) => answers.get(query) ?? unanswered) }
}

const unanswered: PastAnswer = { kind: 'failed', reason: 'it was not read' }

function setAnswer(answers: Map<PastQuery, PastAnswer>, query: PastQuery, answer: PastAnswer | undefined): void {
  if (answer !== undefined) answers.set(query, answer)
}

interface ScanTask {
  readonly scanning: Scanning
  readonly queries: readonly PastQuery[]
}

async function scanAll(
  session: EndpointSession,
  block: BlockRef,
  { scanning, queries }: ScanTask,
): Promise<PastReading> {
  const answers: PastAnswer[] = []
  let timestampSeconds: number | null = null
  while (answers.length < queries.length || timestampSeconds === null) {
    const chunk = queries.slice(answers.length, answers.length + scanning.chunk)
    try {
      const part = await scanChunk(session, block, { queries: chunk, name: scanning.name })
      if (part.answers.length === 0 && chunk.length > 0) {
        throw new NodeError('the node gave too little gas for a single balance', 0)
      }
      timestampSeconds = part.timestampSeconds
      answers.push(...part.answers)
      if (part.answers.length === chunk.length && chunk.length === scanning.chunk) {
        scanning.chunk = Math.min(CHUNK_MAX, Math.ceil(scanning.chunk * 1.5))
      }
    } catch (error) {
      // The node refused a request of this size: a smaller one may do.
      if (!(error instanceof NodeError)) throw error
      if (chunk.length > 1) {
        scanning.chunk = Math.ceil(chunk.length / 2)
        continue
      }
      const alone = await readPastPlainly(session, block, { queries: chunk, name: scanning.name })
      timestampSeconds = alone.timestampSeconds
      answers.push(...alone.answers)
    }
  }
  return { timestampSeconds, answers }
}

async function scanChunk(
  session: EndpointSession,
  block: BlockRef,
  { queries, name }: { readonly queries: readonly PastQuery[]; readonly name: BlockName },
): Promise<PastReading> {
  const accounts = queries.filter(({ subject }) => subject === 'fingerprint').map(({ account }) => account)
  const answer = await callScanner(session, block, { data: encodeQueries(queries), accounts, name })
  const { timestampSeconds, words } = decodeScan(answer, block, queries.length)
  return { timestampSeconds, answers: words.map(({ status, value }) => answerOf(status, value)) }
}

interface ScannerCall {
  readonly data: Hex
  /** Accounts that get the code that tells their nonce. */
  readonly accounts: readonly Address[]
  readonly name: BlockName
}

async function callScanner(
  session: EndpointSession,
  block: BlockRef,
  { data, accounts, name }: ScannerCall,
): Promise<Hex> {
  const overrides: Record<Address, { readonly code: Hex }> = { [SCANNER_ADDRESS]: { code: historyScannerBytecode } }
  for (const account of accounts) overrides[account] = { code: FINGERPRINT_CODE }
  const answer = await session.request('eth_call', [{ to: SCANNER_ADDRESS, data }, nameBlock(block, name), overrides])
  if (name === 'number') await requireSameBlock(session, block)
  return decodeData(answer, 'scanner')
}

/** Queries of one subject that follow each other share a group. */
function encodeQueries(queries: readonly PastQuery[]): Hex {
  const groups: { subject: string; operands: string[] }[] = []
  for (const { subject, account } of queries) {
    const encoded = subject.startsWith('0x') ? subject.slice(2) : toOperand(BigInt(numberOf(subject)))
    const last = groups.at(-1)
    if (last?.subject === encoded) last.operands.push(account.slice(2))
    else groups.push({ subject: encoded, operands: [account.slice(2)] })
  }
  return encodeGroups(groups)
}

function numberOf(subject: PastQuery['subject']): number {
  return subject === 'native' || subject === 'fingerprint' || subject === 'code' ? subjects[subject] : 0
}

function encodeGroups(groups: readonly { readonly subject: string; readonly operands: readonly string[] }[]): Hex {
  const parts = groups.map(
    ({ subject, operands }) => `${subject}${operands.length.toString(16).padStart(4, '0')}${operands.join('')}`,
  )
  return `0x${GAS_PER_ITEM.toString(16).padStart(8, '0')}${parts.join('')}`
}

function toOperand(value: bigint): string {
  return value.toString(16).padStart(40, '0')
}

interface Scan {
  readonly timestampSeconds: number
  readonly words: readonly { readonly status: string; readonly value: string }[]
}

/** @throws {BlockUnavailableError | MalformedAnswerError} when the call did not run on the block of that number */
function decodeScan(data: Hex, block: BlockRef, asked: number): Scan {
  if (data === '0x') throw new EmptyAnswerError('scanner: expected items, got an empty answer')
  const text = data.slice(2)
  const count = (text.length - HEAD_CHARS) / ITEM_CHARS
  if (!Number.isInteger(count) || count < 0 || count > asked) {
    throw new MalformedAnswerError(`scanner: expected ${asked} items, got ${text.length / 2} bytes`)
  }
  const number = BigInt(`0x${text.slice(0, 64)}`)
  if (number !== block.number) throw otherBlockError(block.number, number)
  return {
    timestampSeconds: Number(BigInt(`0x${text.slice(64, HEAD_CHARS)}`)),
    words: Array.from({ length: count }, (_, index) => {
      const at = HEAD_CHARS + index * ITEM_CHARS
      return { status: text.slice(at, at + 2), value: text.slice(at + 2, at + ITEM_CHARS) }
    }),
  }
}

function answerOf(status: string, value: string): PastAnswer {
  switch (status) {
    case '01':
      return { kind: 'value', value: BigInt(`0x${value}`) }
    case '00':
      return { kind: 'failed', reason: 'the token’s balanceOf reverted, ran out of gas, or answered too little' }
    case '03':
      return { kind: 'failed', reason: 'there is no contract at the token’s address' }
    default:
      throw new MalformedAnswerError(`scanner: unknown item status ${status}`)
  }
}
