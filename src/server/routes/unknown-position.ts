import { RequestError } from '../../api/request-error.js'

/** Nobody ever watched this token of this solver on this chain. */
export function unknownPosition(): RequestError {
  return new RequestError('unknown_position', 'no balance is known for this chain, token and solver')
}
