import { TidemarkError } from '../../index.js'

/** The demo needs a package that is not there. */
export class DemoUnavailableError extends TidemarkError {
  readonly code = 'demo_unavailable'
}

/** Another process has the port that the demo's service was to listen on. */
export class DemoPortInUseError extends TidemarkError {
  readonly code = 'address_in_use'
}

/** The demo's service did not start, or ended before it was told to. */
export class DemoServiceError extends TidemarkError {
  readonly code = 'demo_service'
}
