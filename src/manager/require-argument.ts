import { parseAddress } from '../model/address.js'
import type { Address } from '../model/address.js'
import { parseToken } from '../model/position.js'
import type { Position } from '../model/position.js'
import { InvalidArgumentError, UnknownChainError } from './manager-errors.js'

/** @throws {InvalidArgumentError} */
export function requireAddress(text: string, argument: string): Address {
  const address = parseAddress(text)
  if (address === null)
    throw new InvalidArgumentError(
      `${argument}: expected an address of 20 bytes, got ${JSON.stringify(text.slice(0, 64))}`,
    )
  return address
}

/** @throws {InvalidArgumentError} */
export function requirePosition(chainId: bigint, tokenText: string, solverText: string): Position {
  const token = parseToken(tokenText)
  if (token === null) {
    throw new InvalidArgumentError(
      `token: expected 'native' or an address of 20 bytes, got ${JSON.stringify(tokenText.slice(0, 64))}`,
    )
  }
  return { chainId, token, solver: requireAddress(solverText, 'solver') }
}

/** What of the history is meant, as far as it can be wrong. */
interface Selection {
  readonly chainId?: bigint | undefined
  readonly fromBlock?: bigint | undefined
  readonly toBlock?: bigint | undefined
  readonly fromTime?: Date | undefined
}

/**
 * @param chains the configured ones
 * @throws {InvalidArgumentError | UnknownChainError}
 */
export function requireSelection<Given extends Selection>(
  selection: Given,
  chains: readonly { readonly chainId: bigint }[],
): Given {
  const { chainId, fromBlock, toBlock, fromTime } = selection
  if (fromTime !== undefined && Number.isNaN(fromTime.getTime())) {
    throw new InvalidArgumentError('fromTime: expected a time, got an invalid Date')
  }
  if (chainId !== undefined && !chains.some((chain) => chain.chainId === chainId)) {
    throw new UnknownChainError(`expected a configured chain, got chain id ${chainId}`)
  }
  if (chainId === undefined && chains.length > 1 && (fromBlock !== undefined || toBlock !== undefined)) {
    throw new InvalidArgumentError('chainId: expected a chain id, because block numbers differ from chain to chain')
  }
  return selection
}
