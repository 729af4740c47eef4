import { collectDefaultMetrics, Registry } from 'prom-client'

let registry: Registry | null = null

/**
 * The numbers of this process: memory, CPU, event loop, garbage collection. There is one set for all servers of the
 * process, because its observers cannot be taken down again.
 */
export function processRegistry(): Registry {
  if (registry === null) {
    registry = new Registry()
    collectDefaultMetrics({ register: registry })
  }
  return registry
}
