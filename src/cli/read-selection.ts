import { ConfigurationError, parseAddress } from '../index.js'
import type { Address, Config, HistorySelection, Token } from '../index.js'

/** The options that say which part of the history a command is about, as they come from the command line. */
export interface SelectionOptions {
  readonly chain?: string | undefined
  readonly token?: string | undefined
  readonly solver?: string | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
}

/** @throws {ConfigurationError} names the option, what was expected and what came. */
export function readSelection(options: SelectionOptions, config: Pick<Config, 'chains'>): HistorySelection {
  const chainId = options.chain === undefined ? undefined : readChain(options.chain, config)
  const from = options.from === undefined ? {} : readFrom(options.from)
  const toBlock = options.to === undefined ? undefined : readBlock('--to', options.to)
  if (chainId === undefined && config.chains.length > 1 && (from.fromBlock !== undefined || toBlock !== undefined)) {
    throw new ConfigurationError('--chain: expected a chain beside block numbers, which differ from chain to chain', {
      hint: 'Name one chain, or give --from as a time.',
    })
  }
  return {
    chainId,
    token: options.token === undefined ? undefined : readToken(options.token),
    solver: options.solver === undefined ? undefined : readAddress('--solver', options.solver),
    ...from,
    toBlock,
  }
}

/** A number of positions. */
export function readCount(option: string, text: string): number {
  const count = Number(text)
  if (Number.isSafeInteger(count) && count > 0) return count
  throw new ConfigurationError(`${option}: expected a whole number above 0, got ${JSON.stringify(text)}`)
}

function readChain(text: string, { chains }: Pick<Config, 'chains'>): bigint {
  const chain = chains.find(({ chainId, name }) => chainId.toString() === text || sameName(name, text))
  if (chain !== undefined) return chain.chainId
  const known = chains.map(({ chainId, name }) => `${chainId} (${name})`).join(', ')
  throw new ConfigurationError(`--chain: expected a configured chain, got ${JSON.stringify(text)}`, {
    hint: known === '' ? 'No chain is configured.' : `Configured are ${known}.`,
  })
}

function sameName(name: string, text: string): boolean {
  return name.toLowerCase() === text.toLowerCase()
}

function readFrom(text: string): Pick<HistorySelection, 'fromBlock' | 'fromTime'> {
  if (/^\d+$/.test(text)) return { fromBlock: BigInt(text) }
  const atMs = Date.parse(text)
  if (!Number.isNaN(atMs)) return { fromTime: new Date(atMs) }
  throw new ConfigurationError(
    `--from: expected a block number or a time such as 2026-01-31 or 2026-01-31T12:00:00Z, got ${JSON.stringify(text)}`,
  )
}

function readBlock(option: string, text: string): bigint {
  if (/^\d+$/.test(text)) return BigInt(text)
  throw new ConfigurationError(`${option}: expected a block number, got ${JSON.stringify(text)}`)
}

function readToken(text: string): Token {
  return text === 'native' ? 'native' : readAddress('--token', text)
}

function readAddress(option: string, text: string): Address {
  const address = parseAddress(text)
  if (address !== null) return address
  const or = option === '--token' ? ' or "native"' : ''
  throw new ConfigurationError(
    `${option}: expected 0x and 40 hexadecimal digits${or}, got ${JSON.stringify(text.slice(0, 100))}`,
  )
}
