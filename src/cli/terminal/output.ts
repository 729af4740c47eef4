import { once } from 'node:events'
import type { Writable } from 'node:stream'

import { paint } from './styled-line.js'
import type { StyledLine } from './styled-line.js'

/** Whoever read our output has seen enough, as `head` does: nothing is wrong, and nothing more is to be done. */
export class OutputClosedError extends Error {
  override readonly name = 'OutputClosedError'
}

/** What a command writes to: a terminal, a pipe or a file. */
type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number }

/** Standard output: what a command is asked for goes here, and everything else to standard error. */
export class Output {
  readonly isTerminal: boolean
  readonly colours: boolean
  readonly #stream: OutputStream
  readonly #closed = new AbortController()

  constructor(stream: OutputStream = process.stdout, env: NodeJS.ProcessEnv = process.env) {
    this.#stream = stream
    this.isTerminal = stream.isTTY === true && env['TERM'] !== 'dumb'
    this.colours = this.isTerminal && (env['NO_COLOR'] ?? '') === ''
    stream.on('error', () => this.#closed.abort())
  }

  /** Columns of the terminal; null where lines may be of any length. */
  get width(): number | null {
    return this.isTerminal ? this.#stream.columns || 80 : null
  }

  /** Aborted once nobody reads any more. */
  get closed(): AbortSignal {
    return this.#closed.signal
  }

  /** Resolves when there is room for more. @throws OutputClosedError */
  async write(text: string): Promise<void> {
    if (this.closed.aborted) throw new OutputClosedError()
    if (this.#stream.write(`${text}\n`)) return
    try {
      await once(this.#stream, 'drain', { signal: this.closed })
    } catch {
      throw new OutputClosedError()
    }
  }

  async writeLines(lines: readonly StyledLine[]): Promise<void> {
    if (lines.length > 0) await this.write(paint(lines, this.colours))
  }

  async writeJson(value: unknown): Promise<void> {
    await this.write(jsonText(value))
  }
}

/** JSON in which no character is one that a terminal obeys, or that hides what follows it. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value).replaceAll(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, escaped)
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index))
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}
