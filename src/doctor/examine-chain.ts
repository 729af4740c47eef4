import { readMetadata } from '../chain/balances/read-metadata.js'
import { fetchLatestHeader } from '../chain/head/fetch-headers.js'
import { HeadSubscription } from '../chain/rpc/head-subscription.js'
import type { NodeTransport } from '../chain/rpc/node-transport.js'
import { probeEndpoints } from '../chain/rpc/probe-endpoint.js'
import { RpcClient } from '../chain/rpc/rpc-client.js'
import type { ChainConfig } from '../config/config.js'
import { toChecksumAddress } from '../model/address.js'
import type { BlockHeader } from '../model/block.js'
import type { Clock } from '../model/clock.js'
import { TidemarkError, messageOf } from '../model/errors.js'
import { silentLogger } from '../model/logger.js'
import { describeCapabilities } from './describe-capabilities.js'
import type { Finding, FindingLevel } from './finding.js'

/** A head older than this means that the node, or the chain, stands still. */
const HEAD_AGE_SECONDS_MAX = 15 * 60
/** Blocks that one endpoint may be behind another before it is worth a word. */
const BEHIND_BLOCKS_MAX = 5n
const SUBSCRIPTION_TIMEOUT_MS = 10_000
/** For everything that is asked of one endpoint, tries included. */
const ENDPOINT_TIMEOUT_MS = 30_000
const SUBSCRIPTION_LOOK_MS = 50

export interface World {
  readonly clock: Clock
  readonly transport: NodeTransport
  readonly signal: AbortSignal
}

/** Each endpoint of a chain by itself, what they say beside each other, and the tokens. */
export async function* examineChain(chain: ChainConfig, world: World): AsyncGenerator<Finding> {
  const heads: { readonly host: string; readonly head: BlockHeader }[] = []
  let working: string | null = null
  for (const url of chain.rpcUrls) {
    const client = clientOf(chain, url, world)
    const host = `${chain.name}, ${client.endpoints()[0]?.host ?? 'endpoint'}`
    try {
      const startedAtMs = world.clock.monotonicMs()
      const head = await fetchLatestHeader(client)
      const tookMs = Math.round(world.clock.monotonicMs() - startedAtMs)
      heads.push({ host, head })
      working ??= url
      yield headFinding(host, head, { tookMs, nowMs: world.clock.timeOfDayMs() })
      const [voice] = await probeEndpoints(client)
      if (voice?.ok === true) yield* describeCapabilities(host, head, voice.result.capabilities)
      else if (voice !== undefined) throw voice.error
    } catch (error) {
      if (world.signal.aborted) throw error
      yield failure(host, error)
    }
  }
  yield* behindFindings(heads)
  for (const url of chain.wsUrls) yield await examineSubscription(chain, { url, world })
  if (working === null) return
  try {
    yield* examineTokens(chain, clientOf(chain, working, world))
  } catch (error) {
    if (world.signal.aborted) throw error
    yield { ...failure(chain.name, error), area: 'watch list' }
  }
}

/** A client of its own time limit, so that one that hangs does not use up the time of the next. */
function clientOf(chain: ChainConfig, url: string, world: World): RpcClient {
  const signal = AbortSignal.any([world.signal, AbortSignal.timeout(ENDPOINT_TIMEOUT_MS)])
  return new RpcClient({ chainId: chain.chainId, urls: [url], logger: silentLogger, ...world, signal })
}

function headFinding(
  host: string,
  head: BlockHeader,
  { tookMs, nowMs }: { readonly tookMs: number; readonly nowMs: number },
): Finding {
  const ageSeconds = Math.round(nowMs / 1000 - head.timestampSeconds)
  const text = `it serves the right chain; its head is block ${head.number}, ${ageSeconds} s old; it answered in ${tookMs} ms`
  if (ageSeconds <= HEAD_AGE_SECONDS_MAX) return endpoint(host, 'ok', text)
  return endpoint(host, 'warning', text, 'The node is not in step with its chain, or the chain stands still.')
}

function* behindFindings(heads: readonly { readonly host: string; readonly head: BlockHeader }[]): Generator<Finding> {
  const best = heads.reduce((most, { head }) => (head.number > most ? head.number : most), 0n)
  for (const { host, head } of heads) {
    if (best - head.number <= BEHIND_BLOCKS_MAX) continue
    yield endpoint(host, 'warning', `it is ${best - head.number} blocks behind another endpoint of this chain`)
  }
}

async function examineSubscription(
  chain: ChainConfig,
  { url, world }: { readonly url: string; readonly world: World },
): Promise<Finding> {
  const subscription = new HeadSubscription({
    chainId: chain.chainId,
    urls: [url],
    logger: silentLogger,
    ...world,
    onHead: () => undefined,
    onChange: () => undefined,
  })
  const host = `${chain.name}, ${subscription.endpoints()[0]?.host ?? 'endpoint'} (WebSocket)`
  try {
    const endsAtMs = world.clock.monotonicMs() + SUBSCRIPTION_TIMEOUT_MS
    const failed = (): boolean => subscription.endpoints()[0]?.lastError !== null
    while (!subscription.live && !failed() && world.clock.monotonicMs() < endsAtMs) {
      await world.clock.sleep(SUBSCRIPTION_LOOK_MS, world.signal)
    }
    if (subscription.live) return endpoint(host, 'ok', 'it announces new blocks')
    const reason = subscription.endpoints()[0]?.lastError ?? `nothing within ${SUBSCRIPTION_TIMEOUT_MS / 1000} s`
    return endpoint(
      host,
      'problem',
      `it cannot be subscribed to: ${reason}`,
      'Check the URL. Without it new blocks are looked for by polling.',
    )
  } finally {
    subscription.close()
  }
}

async function* examineTokens(chain: ChainConfig, client: RpcClient): AsyncGenerator<Finding> {
  const head = await fetchLatestHeader(client)
  const metadata = await readMetadata(client, head, chain.tokens)
  for (const token of chain.tokens) {
    const known = metadata.get(token)
    const subject = `${chain.name}, token ${toChecksumAddress(token)}`
    const code = await client.request('eth_getCode', [token, 'latest'])
    if (code === '0x') {
      yield {
        area: 'watch list',
        subject,
        level: 'problem',
        text: 'there is no contract at this address on this chain',
        advice: 'Check the address, and whether it belongs to this chain.',
      }
    } else if (known?.decimals === null || known === undefined) {
      yield {
        area: 'watch list',
        subject,
        level: 'warning',
        text: 'it does not tell its decimals: amounts are shown in its smallest unit',
      }
    } else {
      yield {
        area: 'watch list',
        subject,
        level: 'ok',
        text: `${known.symbol ?? 'no symbol'}, ${known.decimals} decimals`,
      }
    }
  }
}

function failure(host: string, error: unknown): Finding {
  const cause = error instanceof Error && error.cause instanceof TidemarkError ? error.cause : error
  const late = error instanceof DOMException && error.name === 'TimeoutError'
  if (late)
    return endpoint(
      host,
      'problem',
      `it did not answer everything within ${ENDPOINT_TIMEOUT_MS / 1000} s`,
      'Check the provider’s status.',
    )
  const advice = cause instanceof TidemarkError ? cause.hint : undefined
  return endpoint(host, 'problem', messageOf(cause), advice ?? 'Check the URL and the provider’s status.')
}

function endpoint(subject: string, level: FindingLevel, text: string, advice?: string): Finding {
  return { area: 'endpoint', subject, level, text, advice }
}
