import { failureOf, isWireError, TidemarkApiError } from './api-failure.js'

/** Longer than any line the service sends: what goes on and on is not ours. */
const LINE_LENGTH_MAX = 1_000_000

/** The part of a fetch answer's body that is needed. */
export interface ByteReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
}

/**
 * Values of an answer that has one JSON to a line.
 *
 * @throws TidemarkApiError for a line that is an error of the service, and for what is not JSON to a line
 */
export async function* readJsonLines(reader: ByteReader, status: number): AsyncGenerator<unknown, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    rest += done ? decoder.decode() : decoder.decode(value, { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield readLine(line, status)
    if (rest.length > LINE_LENGTH_MAX) throw badLine(status)
    // The service ends its last line too: what is left over is a part of one.
    if (done && rest !== '') throw badLine(status)
    if (done) return
  }
}

function readLine(line: string, status: number): unknown {
  const value = parsed(line)
  if (typeof value !== 'object' || value === null) throw badLine(status)
  if ('success' in value && value.success === false && isWireError(value)) throw failureOf(value, status, null)
  return value
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function badLine(status: number): TidemarkApiError {
  return new TidemarkApiError('expected lines of JSON of Tidemark, got something else', {
    code: 'bad_answer',
    status,
    retryable: false,
  })
}
