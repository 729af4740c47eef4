import type { TidemarkErrorOptions } from '../model/errors.js'
import { TidemarkError } from '../model/errors.js'
import type { ErrorCode } from './error-codes.js'

/** A request that cannot be fulfilled, with the code that the caller gets to see. */
export class RequestError extends TidemarkError {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options: TidemarkErrorOptions = {}) {
    super(message, options)
    this.code = code
  }
}
