import { anvilBinary } from '../../testing/anvil-binary.js'
import { DemoUnavailableError } from './demo-errors.js'

/** Fails with the way out when the local chains' program is not installed. */
export function requireAnvil(find: () => string = anvilBinary): void {
  try {
    find()
  } catch (cause) {
    throw new DemoUnavailableError('the demo runs local chains with anvil, but @foundry-rs/anvil is not installed', {
      cause,
      hint: 'Install it: npm install @foundry-rs/anvil',
    })
  }
}
