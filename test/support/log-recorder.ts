import type { Logger } from '../../src/index.js'

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** A logger that keeps every line, for tests that read the log. */
export function recordLog(): { readonly logger: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = []
  const loggerWith = (context: object): Logger => {
    const at =
      (level: LogLine['level']) =>
      (fields: object, message: string): void => {
        lines.push({ level, message, fields: { ...context, ...fields } })
      }
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => loggerWith({ ...context, ...fields }),
    }
  }
  return { logger: loggerWith({}), lines }
}
