import { TidemarkError } from '../../model/errors.js'

/** The model chain was told to do what no chain could do: an overdraft, an unknown block, a contract that is not there. */
export class ModelChainError extends TidemarkError {
  readonly code = 'model_chain'
}
