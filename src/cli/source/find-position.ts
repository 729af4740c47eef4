import { ConfigurationError } from '../../index.js'
import { plainText } from '../terminal/plain-text.js'
import type { PositionName, SourceChain } from './balance-source.js'
import { watchedPositions } from './directory.js'
import type { Directory, WatchedPosition } from './directory.js'
import { findSelection } from './find-by-name.js'
import type { NamesGiven, Selection } from './find-by-name.js'

/** Candidates that a message names at most. */
const CANDIDATES_MAX = 10
const LABEL_COLUMNS = 20

/** The one position that a command is about. */
export interface FoundPosition extends PositionName {
  readonly chain: SourceChain
  readonly label: string | null
}

/**
 * The position that is named. What is left open is filled in when only one of the watched positions fits.
 *
 * @throws {ConfigurationError} names those that fit, when they are several.
 */
export async function findPosition(directory: Directory, given: NamesGiven): Promise<FoundPosition> {
  const selection = await findSelection(directory, given)
  const full = fullPosition(selection)
  if (full !== null) {
    const solver = directory.solvers.find(({ address }) => address === full.solver)
    return { ...full, label: solver?.label ?? null }
  }
  const fitting = watchedPositions(directory).filter((position) => fits(position, selection))
  const [only] = fitting
  if (fitting.length === 1 && only !== undefined) {
    const { chain, token, solver } = only
    return { chain, chainId: chain.chainId, token, solver: solver.address, label: solver.label }
  }
  throw new ConfigurationError(`expected one position, got ${fitting.length} that fit`, {
    hint:
      fitting.length === 0
        ? 'Name all three: chain, token and wallet.'
        : ['Name one of them:', ...candidates(directory, fitting)].join('\n'),
  })
}

/** One that is named in full need not be watched any more. */
function fullPosition({ chain, tokens, solver }: Selection): (PositionName & { chain: SourceChain }) | null {
  const token = tokens?.[0]
  if (chain === null || solver === null || token === undefined) return null
  return { chain, chainId: chain.chainId, token: token.token, solver }
}

function fits({ chain, token, solver }: WatchedPosition, selection: Selection): boolean {
  return (
    (selection.chain === null || selection.chain.chainId === chain.chainId) &&
    (selection.tokens === null ||
      selection.tokens.some((wanted) => wanted.chainId === chain.chainId && wanted.token === token)) &&
    (selection.solver === null || selection.solver === solver.address)
  )
}

function candidates({ tokens }: Directory, fitting: readonly WatchedPosition[]): string[] {
  const lines = fitting.slice(0, CANDIDATES_MAX).map(({ chain, token, solver }) => {
    const symbol = tokens.get(chain.chainId)?.find(({ tokenAddress }) => tokenAddress === token)?.tokenSymbol
    const names = [symbol, solver.label].filter((name) => name !== undefined && name !== null)
    const known = names.length === 0 ? '' : `   (${names.map((name) => plainText(name, LABEL_COLUMNS)).join(', ')})`
    return `  ${chain.chainId} ${token} ${solver.address}${known}`
  })
  const more = fitting.length - lines.length
  return more === 0 ? lines : [...lines, `  and ${more} more`]
}
