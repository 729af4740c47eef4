import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** How much of what is alive may be added as garbage before the next full collection. */
const GROWTH_PERCENT = 50

/**
 * Keeps a long-lived process near what it needs. V8 lets the old generation grow to a quarter of a gigabyte before it is
 * collected for the first time, and every block leaves some garbage there. One collection now sets the measure for all
 * later ones; measured with 10,000 positions on 5 chains, this halves the resident memory.
 */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  if (typeof collect === 'function') Reflect.apply(collect, undefined, [])
}
