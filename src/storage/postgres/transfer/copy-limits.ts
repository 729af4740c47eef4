import { DatabaseUnavailableError } from '../database-errors.js'

/** A copy on which nothing moves for so long is given up: the server is frozen, or the network swallows everything. */
export const STALL_MS = 300_000

export function stalledError(stallMs: number): DatabaseUnavailableError {
  return new DatabaseUnavailableError(`the database did not go on with a copy for ${stallMs / 1000} s`, {
    trouble: 'silent',
  })
}
