import { pino } from 'pino'

import type { LogLevel } from '../config/config.js'
import type { Logger } from '../index.js'

/** JSON lines on standard error: standard output is for data. */
export function createLogger(level: LogLevel): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: 2, sync: true }),
  )
}
