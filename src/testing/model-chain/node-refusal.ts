import { TidemarkError } from '../../model/errors.js'

/** What a node answers instead of a result. */
export class NodeRefusal extends TidemarkError {
  readonly code = 'node_refusal'
  readonly rpcCode: number
  readonly data: unknown

  constructor(rpcCode: number, message: string, data?: unknown) {
    super(message)
    this.rpcCode = rpcCode
    this.data = data
  }
}

export function refuse(rpcCode: number, message: string, data?: unknown): never {
  throw new NodeRefusal(rpcCode, message, data)
}
