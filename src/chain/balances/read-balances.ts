import type { BlockHeader } from '../../model/block.js'
import type { BalanceReading, WatchedPosition } from '../../model/chain-event.js'
import type { Clock } from '../../model/clock.js'
import { TidemarkError, messageOf } from '../../model/errors.js'
import type { Logger } from '../../model/logger.js'
import type { Token } from '../../model/position.js'
import type { EndpointSession, RpcClient } from '../rpc/rpc-client.js'
import { NodeError } from '../rpc/rpc-errors.js'
import { isSupported } from '../rpc/is-supported.js'
import type { BalanceAnswer, BalanceQuery } from './balance-query.js'
import { tokenFailed } from './balance-query.js'
import { nameBlocksByNumber, namesBlocksByNumber, requireUnmoved } from './block-argument.js'
import { hasMulticall, scanByMulticall } from './scan-by-multicall.js'
import { findNativeTwins } from './native-twin.js'
import { scanByOverride } from './scan-by-override.js'
import { scanOneByOne } from './scan-one-by-one.js'
import type { Voice } from './weigh-readings.js'

/** The ways to read many balances, best first. */
type ScanMode = 'override' | 'multicall' | 'single'

const scans = { override: scanByOverride, multicall: scanByMulticall, single: scanOneByOne }
/** Balances in one request, to begin with and at most. */
const chunkSizes: Record<ScanMode, { readonly start: number; readonly max: number }> = {
  override: { start: 5000, max: 10_000 },
  multicall: { start: 500, max: 1000 },
  single: { start: 50, max: 50 },
}

interface Scanning {
  readonly mode: ScanMode
  readonly probedAtMs: number
  chunk: number
}

const MEMORY_KEY = 'scanning'
const READINGS_KEY = 'readings'
const TWINS_KEY = 'native twins'
const TWINS_INTERVAL_MS = 10 * 60_000
/** A lesser way may have been chosen because of one bad answer. */
const PROBE_AGAIN_MS = 60 * 60_000

/**
 * Reads the balances of all positions at one block, on one endpoint.
 *
 * @returns one reading for each position, in order.
 * @throws {TidemarkError} when the endpoints cannot answer for this block at all. A token that cannot be read is a
 * reading of its own kind, not an error.
 */
export async function readBalances(
  client: RpcClient,
  header: BlockHeader,
  positions: readonly WatchedPosition[],
  { logger }: { readonly logger: Logger },
): Promise<readonly BalanceReading[]> {
  if (positions.length === 0) return []
  const { readings } = await readVoice(client, header, positions, { logger, avoid: new Set() })
  return readings
}

/**
 * As `readBalances`, and tells whose word it is.
 *
 * @param options.avoid places of endpoints, others are preferred to them
 */
export function readVoice(
  client: RpcClient,
  header: BlockHeader,
  positions: readonly WatchedPosition[],
  { logger, avoid }: { readonly logger: Logger; readonly avoid: ReadonlySet<number> },
): Promise<Voice> {
  const read = async (session: EndpointSession): Promise<Voice> => {
    const scanning = await scanningOf(session, header, { logger, clock: client.clock })
    const answers = await scanAll(session, header, { scanning, queries: positions })
    await requireUnmoved(session, header)
    const readings = readingsOf(session, positions, answers)
    warnOfNativeTwins(session, readings, { logger, clock: client.clock })
    return { place: session.place, readings }
  }
  return client.run(read, { avoid })
}

/** Said once per token; looked for now and then, because at first all balances may be alike. */
function warnOfNativeTwins(
  session: EndpointSession,
  readings: readonly BalanceReading[],
  { logger, clock }: { readonly logger: Logger; readonly clock: Clock },
): void {
  const last = session.memory.get(TWINS_KEY) as { readonly atMs: number; readonly warned: Set<Token> } | undefined
  if (last !== undefined && clock.monotonicMs() - last.atMs < TWINS_INTERVAL_MS) return
  const warned = last?.warned ?? new Set<Token>()
  session.memory.set(TWINS_KEY, { atMs: clock.monotonicMs(), warned })
  for (const token of findNativeTwins(readings)) {
    if (warned.has(token)) continue
    warned.add(token)
    logger.warn(
      { token, aliasOf: 'native' },
      'this token is the chain’s own currency for every wallet read: who adds both up counts the same money twice',
    )
  }
}

/** The readings of the last block: most are those of the next one, and are made only once. */
interface LastReadings {
  readonly answers: readonly BalanceAnswer[]
  readonly readings: readonly BalanceReading[]
}

function readingsOf(
  session: EndpointSession,
  positions: readonly WatchedPosition[],
  answers: readonly BalanceAnswer[],
): readonly BalanceReading[] {
  const last = session.memory.get(READINGS_KEY) as LastReadings | undefined
  const isOf = (position: WatchedPosition, reading: BalanceReading | undefined): reading is BalanceReading =>
    reading?.position.solver === position.solver && reading.position.token === position.token
  if (last?.answers === answers && positions.every((position, index) => isOf(position, last.readings[index]))) {
    return last.readings
  }
  const readings = positions.map((position, index): BalanceReading => {
    const answer = answers[index]
    if (answer === undefined) throw new Error('invariant: one answer for each query')
    const before = last?.readings[index]
    if (answer === last?.answers[index] && isOf(position, before)) return before
    const { chainId, token, solver } = position
    return { ...answer, position: { chainId, token, solver } }
  })
  session.memory.set(READINGS_KEY, { answers, readings } satisfies LastReadings)
  return readings
}

/** Finds out once per endpoint which way of reading it supports, by trying each on this block. */
async function scanningOf(
  session: EndpointSession,
  header: BlockHeader,
  { logger, clock }: { readonly logger: Logger; readonly clock: Clock },
): Promise<Scanning> {
  const known = session.memory.get(MEMORY_KEY) as Scanning | undefined
  const isBest = known?.mode === 'override' && !namesBlocksByNumber(session)
  if (known !== undefined && (isBest || clock.monotonicMs() - known.probedAtMs < PROBE_AGAIN_MS)) return known
  const mode = await probeMode(session, header)
  const scanning: Scanning = { mode, probedAtMs: clock.monotonicMs(), chunk: chunkSizes[mode].start }
  session.memory.set(MEMORY_KEY, scanning)
  logger.info({ endpoint: session.host, mode }, 'way of reading balances chosen')
  return scanning
}

/** Hashes first: by number, a node cannot be held to the very block. */
async function probeMode(session: EndpointSession, header: BlockHeader): Promise<ScanMode> {
  nameBlocksByNumber(session, false)
  const byHash = await probeScans(session, header)
  if (byHash !== null) return byHash
  nameBlocksByNumber(session, true)
  const byNumber = await probeScans(session, header)
  if (byNumber === null) nameBlocksByNumber(session, false)
  return byNumber ?? 'single'
}

async function probeScans(session: EndpointSession, header: BlockHeader): Promise<ScanMode | null> {
  const query: BalanceQuery = { token: 'native', solver: '0x0000000000000000000000000000000000000001' }
  const block = namesBlocksByNumber(session) ? 'number' : 'hash'
  for (const mode of ['override', 'multicall', 'single'] as const) {
    const supported = await isSupported(session, `balances by ${mode} and ${block}`, async () => {
      if (mode === 'multicall' && !(await hasMulticall(session, header))) return false
      return (await scans[mode](session, header, [query])).length === 1
    })
    if (supported) return mode
  }
  return null
}

interface ScanTask {
  readonly scanning: Scanning
  readonly queries: readonly BalanceQuery[]
}

async function scanAll(
  session: EndpointSession,
  header: BlockHeader,
  { scanning, queries }: ScanTask,
): Promise<readonly BalanceAnswer[]> {
  const answers: BalanceAnswer[] = []
  while (answers.length < queries.length) {
    const chunk = queries.slice(answers.length, answers.length + scanning.chunk)
    try {
      const part = await scans[scanning.mode](session, header, chunk)
      // Nearly always all fit into one request, whose answer then is the same list as the last one where nothing changed.
      if (answers.length === 0 && part.length === queries.length) return part
      if (part.length === 0) throw new NodeError('the node gave too little gas for a single balance', 0)
      answers.push(...part)
      scanning.chunk =
        part.length < chunk.length
          ? Math.max(1, part.length)
          : Math.min(chunkSizes[scanning.mode].max, Math.max(scanning.chunk, Math.ceil(chunk.length * 1.5)))
    } catch (error) {
      // The node refused a request of this size: a smaller one may do. A missing block is an error of another kind.
      if (!(error instanceof NodeError)) throw error
      if (chunk.length > 1) scanning.chunk = Math.ceil(chunk.length / 2)
      else answers.push(...(await scanAlone(session, header, chunk)))
    }
  }
  return answers
}

/** The last resort for a balance that breaks every batch it is in. */
async function scanAlone(
  session: EndpointSession,
  header: BlockHeader,
  queries: readonly BalanceQuery[],
): Promise<readonly BalanceAnswer[]> {
  try {
    return await scanOneByOne(session, header, queries)
  } catch (error) {
    if (error instanceof TidemarkError && !error.retryable)
      return queries.map(() => ({ ...tokenFailed, reason: messageOf(error) }))
    throw error
  }
}
