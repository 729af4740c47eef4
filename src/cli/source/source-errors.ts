import { TidemarkError } from '../../index.js'

/** The position never was watched. */
export class UnknownPositionError extends TidemarkError {
  readonly code = 'unknown_position'
}

/** The chain is not known to the source. */
export class UnknownChainNameError extends TidemarkError {
  readonly code = 'unknown_chain'
}

/** Neither a service nor a database was found. */
export class NoSourceError extends TidemarkError {
  readonly code = 'no_source'
}

export function unknownPosition(): UnknownPositionError {
  return new UnknownPositionError('expected a position that is or was watched, got one that never was', {
    hint: 'tidemark solvers list and tidemark tokens list show what is watched.',
  })
}
