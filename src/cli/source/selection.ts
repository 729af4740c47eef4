import type { SourceFilter } from './balance-source.js'
import type { Selection } from './find-by-name.js'

/** What to ask for, one question after the other. */
export function filtersOf({ chain, tokens, solver }: Selection): SourceFilter[] {
  const wallet = solver === null ? {} : { solver }
  if (tokens !== null) return tokens.map((token) => ({ ...token, ...wallet }))
  return [{ ...(chain === null ? {} : { chainId: chain.chainId }), ...wallet }]
}

/** Whether a position is one of those that are meant. Addresses in EIP-55 spelling. */
export function isSelected(
  position: { readonly chainId: string; readonly tokenAddress: string; readonly solverAddress: string },
  { chain, tokens, solver }: Selection,
): boolean {
  const { chainId, tokenAddress, solverAddress } = position
  return (
    (chain === null || chain.chainId === chainId) &&
    (tokens === null || tokens.some((wanted) => wanted.chainId === chainId && wanted.token === tokenAddress)) &&
    (solver === null || solver === solverAddress)
  )
}
