import { createLogUpdate } from 'log-update'

import { paint } from './styled-line.js'
import type { StyledLine } from './styled-line.js'

export interface ScreenSize {
  readonly columns: number
  readonly rows: number
}

const redrawEveryMs = 1_000
const clearScreen = '\u001B[2J\u001B[H'

/** Lines at the end of a terminal that are drawn again in place, once a second. */
export class Panel {
  readonly #stream: NodeJS.WriteStream
  readonly #colours: boolean
  readonly #update: ReturnType<typeof createLogUpdate>
  #render: ((size: ScreenSize) => readonly StyledLine[]) | null = null
  #timer: NodeJS.Timeout | undefined

  constructor(stream: NodeJS.WriteStream, colours: boolean) {
    this.#stream = stream
    this.#colours = colours
    this.#update = createLogUpdate(stream)
  }

  /** Shows a text until there is more to show. */
  announce(text: string): void {
    this.#update(text)
  }

  start(render: (size: ScreenSize) => readonly StyledLine[]): void {
    this.#render = render
    this.#stream.on('resize', this.#redrawAll)
    this.#timer = setInterval(() => this.draw(), redrawEveryMs)
    this.draw()
  }

  draw(): void {
    if (this.#render === null) return
    // A terminal that does not know its size says 0.
    const size = { columns: this.#stream.columns || 80, rows: this.#stream.rows || 24 }
    this.#update(paint(this.#render(size), this.#colours))
  }

  /** Leaves the last lines standing. */
  stop(): void {
    clearInterval(this.#timer)
    this.#stream.off('resize', this.#redrawAll)
    this.draw()
    this.#update.done()
  }

  readonly #redrawAll = (): void => {
    // The terminal has wrapped the old lines in its own way: only an empty screen is sure to be clean.
    this.#update.done()
    this.#stream.write(clearScreen)
    this.draw()
  }
}
