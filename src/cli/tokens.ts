import type { WireWatchedToken } from '../client/index.js'
import { ConfigurationError, parseAddress, toChecksumAddress } from '../index.js'
import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import type { BalanceSource, SourceChain } from './source/balance-source.js'
import { chooseSource } from './source/choose-source.js'
import type { SourceOptions } from './source/choose-source.js'
import { readDirectory } from './source/directory.js'
import { findChain, findTokens } from './source/find-by-name.js'
import { quoted } from './terminal/quoted.js'
import { Output } from './terminal/output.js'
import { plainText } from './terminal/plain-text.js'
import { chainName } from './terminal/position-names.js'
import { span } from './terminal/styled-line.js'
import { layOutTable } from './terminal/table.js'
import type { TableColumn } from './terminal/table.js'

export interface TokensOptions extends SourceOptions {
  readonly json?: boolean | undefined
}

interface ListedToken extends WireWatchedToken {
  readonly chainName: string
}

const SYMBOL_COLUMNS = 20
const NAME_COLUMNS = 40

/** `tidemark tokens list`: the watched tokens of every chain, or of one. */
export async function listTokens(chain: string | undefined, options: TokensOptions): Promise<ExitCode> {
  await using source = await chooseSource(options)
  const output = new Output()
  const chains = await source.chains()
  const tokens = await tokensOf(source, chain === undefined ? chains : [findChain({ chains }, chain)])
  if (options.json === true) await output.writeJson(tokens)
  else if (tokens.length > 0) await output.writeLines(layOutTable({ columns, rows: tokens, width: output.width }))
  if (tokens.length === 0)
    console.error('No token is watched but the chains’ own. Add one: tidemark tokens add base 0x…')
  return exitCodes.ok
}

/** `tidemark tokens add`: watches tokens of a chain for every wallet. */
export async function addTokens(
  chainText: string,
  texts: readonly string[],
  options: TokensOptions,
): Promise<ExitCode> {
  const addresses = texts.map(readAddress)
  await using source = await chooseSource(options)
  const chain = findChain({ chains: await source.chains() }, chainText)
  const added = await source.addTokens(chain.chainId, addresses)
  if (options.json === true) await new Output().writeJson(added)
  const names = added.map(({ tokenAddress }) => tokenAddress).join(', ')
  console.error(`Watched on ${chainName(chain.name)} for every wallet, from the next block on: ${names}.`)
  return exitCodes.ok
}

/** `tidemark tokens remove`: stops watching a token of a chain; its history stays. */
export async function removeToken(
  chainText: string,
  addressOrSymbol: string,
  options: TokensOptions,
): Promise<ExitCode> {
  await using source = await chooseSource(options)
  const directory = await readDirectory(source)
  const chain = findChain(directory, chainText)
  const token = (await findTokens(directory, addressOrSymbol, chain))[0]?.token ?? 'native'
  if (token === 'native') {
    throw new ConfigurationError(
      'token: expected an address or a symbol, got the chain’s own currency, which always is watched',
    )
  }
  const result = await source.removeToken(chain.chainId, token)
  if (options.json === true) await new Output().writeJson({ chainId: chain.chainId, tokenAddress: token, result })
  return tellRemoval(result, token, chain)
}

function tellRemoval(
  result: Awaited<ReturnType<BalanceSource['removeToken']>>,
  token: string,
  chain: SourceChain,
): ExitCode {
  const where = `on ${chainName(chain.name)}`
  switch (result) {
    case 'removed':
      console.error(`${token} is not watched any more ${where}. Its history stays.`)
      return exitCodes.ok
    case 'configured':
      console.error(
        `${token} stands in the configuration: take it out of <CHAIN>_TOKENS, or of "tokens" of that chain in tidemark.config.*, and start the service again.`,
      )
      return exitCodes.usage
    case 'unknown':
      console.error(`Expected a token that is watched ${where}, got ${token}. tidemark tokens list shows them.`)
      return exitCodes.usage
  }
}

async function tokensOf(source: BalanceSource, chains: readonly SourceChain[]): Promise<ListedToken[]> {
  const lists = await Promise.all(
    chains.map(async (chain) =>
      (await source.tokens(chain.chainId)).map((token) => ({ ...token, chainName: chain.name })),
    ),
  )
  return lists.flat()
}

const columns: readonly TableColumn<ListedToken>[] = [
  { heading: 'CHAIN', align: 'left', cell: (token) => span(chainName(token.chainName)) },
  { heading: 'SYMBOL', align: 'left', cell: ({ tokenSymbol = '–' }) => span(plainText(tokenSymbol, SYMBOL_COLUMNS)) },
  {
    heading: 'NAME',
    align: 'left',
    cell: ({ tokenName = '–' }) => span(plainText(tokenName, NAME_COLUMNS)),
    dispensable: 2,
  },
  { heading: 'DECIMALS', align: 'right', cell: ({ decimals }) => span(String(decimals ?? '–')), dispensable: 1 },
  { heading: 'ADDRESS', align: 'left', cell: ({ tokenAddress }) => span(tokenAddress) },
  { heading: 'ORIGIN', align: 'left', cell: ({ origin }) => span(origin, 'quiet') },
]

function readAddress(text: string): string {
  const address = parseAddress(text)
  if (address !== null) return toChecksumAddress(address)
  throw new ConfigurationError(`token: expected 0x and 40 hexadecimal digits, got ${quoted(text)}`)
}
