import { parseAddress } from '../model/address.js'
import type { Address } from '../model/address.js'
import { parseToken } from '../model/position.js'
import type { Position } from '../model/position.js'
import { InvalidArgumentError } from './manager-errors.js'

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
