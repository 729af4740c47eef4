import { findChainByName } from '../../config/find-chain.js'
import { ConfigurationError, parseAddress, toChecksumAddress } from '../../index.js'
import { plainText } from '../terminal/plain-text.js'
import { quoted } from '../terminal/quoted.js'
import type { SourceChain } from './balance-source.js'
import type { Directory } from './directory.js'

/** Columns of a name in a message. */
const NAME_COLUMNS = 40
/** Candidates that a message names at most. */
const CANDIDATES_MAX = 12

/** One token of one chain. */
export interface TokenName {
  readonly chainId: string
  /** `native`, or an address in EIP-55 spelling. */
  readonly token: string
}

/** What a command is about: everything that is not named is meant. */
export interface Selection {
  readonly chain: SourceChain | null
  /** Of each chain one at most; null: every token. */
  readonly tokens: readonly TokenName[] | null
  /** An address in EIP-55 spelling. */
  readonly solver: string | null
}

/** What is named on the command line; undefined stands for everything. */
export interface NamesGiven {
  readonly chain?: string | undefined
  readonly token?: string | undefined
  readonly solver?: string | undefined
}

/** @throws {ConfigurationError} when a name stands for nothing, or for more than one thing. */
export async function findSelection(directory: Directory, given: NamesGiven): Promise<Selection> {
  const chain = given.chain === undefined ? null : findChain(directory, given.chain)
  return {
    chain,
    tokens: given.token === undefined ? null : await findTokens(directory, given.token, chain),
    solver: given.solver === undefined ? null : findSolver(directory, given.solver),
  }
}

/** A chain by its id, by the name it has here, or by a name that it is known by. */
export function findChain({ chains }: Pick<Directory, 'chains'>, text: string): SourceChain {
  const wellKnown = findChainByName(text)?.id
  const found =
    chains.find(({ chainId, name }) => chainId === text || sameText(name, text)) ??
    chains.find(({ chainId }) => chainId === wellKnown)
  if (found !== undefined) return found
  throw new ConfigurationError(`chain: expected one that is followed, got ${quoted(text)}`, {
    hint: listed(
      'Followed are',
      chains.map(({ chainId, name }) => `${plainText(name, NAME_COLUMNS)} (${chainId})`),
    ),
  })
}

/** A wallet by its address, watched or not, or by its label. */
export function findSolver({ solvers }: Pick<Directory, 'solvers'>, text: string): string {
  const address = parseAddress(text)
  if (address !== null) return toChecksumAddress(address)
  const labelled = solvers.filter(({ label }) => label !== null && sameText(label, text))
  if (labelled.length === 1 && labelled[0] !== undefined) return labelled[0].address
  if (labelled.length > 1) {
    throw new ConfigurationError(`solver: expected one wallet, got a label of ${labelled.length}: ${quoted(text)}`, {
      hint: listed(
        'They are',
        labelled.map((solver) => solver.address),
      ),
    })
  }
  throw new ConfigurationError(`solver: expected an address or the label of a watched wallet, got ${quoted(text)}`, {
    hint: listed(
      'Watched are',
      solvers.map(({ address: known, label }) =>
        label === null ? known : `${plainText(label, NAME_COLUMNS)} (${known})`,
      ),
    ),
  })
}

/** A token by `native`, by its address, watched or not, or by its symbol: one of each chain where it has any. */
export async function findTokens(
  directory: Directory,
  text: string,
  chain: SourceChain | null,
): Promise<readonly TokenName[]> {
  const chains = chain === null ? directory.chains : [chain]
  if (sameText(text, 'native')) return chains.map(({ chainId }) => ({ chainId, token: 'native' }))
  const address = parseAddress(text)
  if (address !== null) return chains.map(({ chainId }) => ({ chainId, token: toChecksumAddress(address) }))
  const found: TokenName[] = []
  for (const { chainId, name } of chains) {
    const tokens = await tokensBySymbol(directory, chainId, text)
    if (tokens.length > 1) {
      const where = `on ${plainText(name, NAME_COLUMNS)}`
      throw new ConfigurationError(`token: expected one ${where}, got a symbol of ${tokens.length}: ${quoted(text)}`, {
        hint: listed('They are', tokens),
      })
    }
    found.push(...tokens.map((token) => ({ chainId, token })))
  }
  if (found.length > 0) return found
  throw new ConfigurationError(
    `token: expected "native", an address, or the symbol of a watched token, got ${quoted(text)}`,
    {
      hint: listed(
        'Watched are',
        chains.flatMap(({ chainId }) => symbolsOf(directory, chainId)),
      ),
    },
  )
}

async function tokensBySymbol(directory: Directory, chainId: string, text: string): Promise<string[]> {
  const named = (directory.tokens.get(chainId) ?? []).filter(
    ({ tokenSymbol }) => tokenSymbol !== undefined && sameText(tokenSymbol, text),
  )
  const addresses = named.map(({ tokenAddress }) => tokenAddress)
  const native = await directory.nativeSymbol(chainId)
  return native !== null && sameText(native, text) ? ['native', ...addresses] : addresses
}

function symbolsOf({ tokens }: Directory, chainId: string): string[] {
  return (tokens.get(chainId) ?? []).flatMap(({ tokenSymbol, tokenAddress }) =>
    tokenSymbol === undefined ? [] : [`${plainText(tokenSymbol, NAME_COLUMNS)} (${tokenAddress})`],
  )
}

function sameText(one: string, other: string): boolean {
  return one.trim().toLowerCase() === other.trim().toLowerCase()
}

function listed(words: string, names: readonly string[]): string {
  if (names.length === 0) return 'There are none.'
  const more = names.length > CANDIDATES_MAX ? ` and ${names.length - CANDIDATES_MAX} more` : ''
  return `${words} ${names.slice(0, CANDIDATES_MAX).join(', ')}${more}.`
}
