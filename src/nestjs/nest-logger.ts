import { Logger as NestLogger } from '@nestjs/common'

import type { Config, Logger } from '../index.js'

const ranks = { debug: 0, info: 1, warn: 2, error: 3 } as const
const leastRank: Record<Config['logLevel'], number> = {
  trace: 0,
  debug: 0,
  info: 1,
  warn: 2,
  error: 3,
  fatal: 4,
  silent: 4,
}

/** Writes to the host's log: one line for each entry, with its fields behind the message. */
export function createNestLogger(level: Config['logLevel']): Logger {
  return loggerWith(new NestLogger('Tidemark'), leastRank[level], {})
}

function loggerWith(nest: NestLogger, least: number, context: object): Logger {
  const line = (fields: object, message: string): string => message + textOf({ ...context, ...fields })
  return {
    debug: (fields, message) => ranks.debug >= least && nest.debug(line(fields, message)),
    info: (fields, message) => ranks.info >= least && nest.log(line(fields, message)),
    warn: (fields, message) => ranks.warn >= least && nest.warn(line(fields, message)),
    error: (fields, message) => ranks.error >= least && nest.error(line(fields, message)),
    child: (fields) => loggerWith(nest, least, { ...context, ...fields }),
  }
}

function textOf(fields: object): string {
  return Object.entries(fields)
    .map(([name, value]) => ` ${name}=${valueText(value)}`)
    .join('')
}

function valueText(value: unknown): string {
  if (typeof value === 'string') return /^[\w.:/-]+$/.test(value) ? value : JSON.stringify(value)
  if (value instanceof Error) return JSON.stringify(value.message)
  const plain = (_key: string, inner: unknown): unknown => (typeof inner === 'bigint' ? inner.toString() : inner)
  return JSON.stringify(value, plain) ?? 'undefined'
}
