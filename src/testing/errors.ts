import { TidemarkError } from '../model/errors.js'

/** The local test chain could not be started, or ended before it should. */
export class AnvilError extends TidemarkError {
  readonly code = 'anvil'
}

/** The test world did not do what it was told: a transaction was refused, lost, or ended otherwise than intended. */
export class WorldError extends TidemarkError {
  readonly code = 'world'
}
