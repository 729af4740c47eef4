import { findChainById } from '../../config/find-chain.js'
import type { WireSolver, WireWatchedToken } from '../../client/index.js'
import type { BalanceSource, SourceChain } from './balance-source.js'

/** What is watched, read once: names are looked up in it. */
export interface Directory {
  readonly chains: readonly SourceChain[]
  readonly solvers: readonly WireSolver[]
  /** By chain id, besides the native currencies. */
  readonly tokens: ReadonlyMap<string, readonly WireWatchedToken[]>
  /** What a chain's own currency is called; null when that is not known. */
  nativeSymbol(chainId: string): Promise<string | null>
}

/** One token of one wallet that is watched. */
export interface WatchedPosition {
  readonly chain: SourceChain
  /** `native`, or an address in EIP-55 spelling. */
  readonly token: string
  readonly solver: WireSolver
}

export async function readDirectory(source: BalanceSource): Promise<Directory> {
  const [chains, solvers] = await Promise.all([source.chains(), source.solvers()])
  const tokens = new Map<string, readonly WireWatchedToken[]>()
  for (const { chainId } of chains) tokens.set(chainId, await source.tokens(chainId))
  const symbols = new Map<string, Promise<string | null>>()
  const nativeSymbol = (chainId: string): Promise<string | null> => {
    const symbol = symbols.get(chainId) ?? readNativeSymbol(source, chainId)
    symbols.set(chainId, symbol)
    return symbol
  }
  return { chains, solvers, tokens, nativeSymbol }
}

/** The operator may have named it, so that the balances are asked before the list of well-known chains. */
async function readNativeSymbol(source: BalanceSource, chainId: string): Promise<string | null> {
  for await (const { tokenSymbol } of source.balances({ chainId, token: 'native' })) {
    if (tokenSymbol !== undefined) return tokenSymbol
  }
  return findChainById(chainId)?.facts?.symbol ?? null
}

/** Every position that is watched: each wallet for the native currency and every token of every chain. */
export function watchedPositions({ chains, solvers, tokens }: Directory): WatchedPosition[] {
  return solvers.flatMap((solver) =>
    chains.flatMap((chain) => {
      const addresses = tokens.get(chain.chainId)?.map(({ tokenAddress }) => tokenAddress) ?? []
      return ['native', ...addresses].map((token) => ({ chain, token, solver }))
    }),
  )
}

/** The same text for a position however its addresses are spelt. */
export function positionKey(position: { chainId: string; tokenAddress: string; solverAddress: string }): string {
  return `${position.chainId}/${position.tokenAddress}/${position.solverAddress}`.toLowerCase()
}
