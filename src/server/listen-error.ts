import { TidemarkError } from '../index.js'

/** The host and port cannot be had: another process has them, or they are not ours to take. */
export class ListenError extends TidemarkError {
  readonly code: 'address_in_use' | 'address_unavailable'

  constructor(address: { readonly host: string; readonly port: number }, cause: unknown) {
    const inUse = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE'
    const { host, port } = address
    super(
      inUse
        ? `expected port ${port} of ${host} to be free, but another process has it`
        : `expected to be allowed to listen on port ${port} of ${host}, but the system refused`,
      {
        cause,
        hint: inUse
          ? 'Set PORT to another port, or end that process.'
          : 'Set HOST and PORT to an address of this machine.',
      },
    )
    this.code = inUse ? 'address_in_use' : 'address_unavailable'
  }
}
