import { createLogUpdate } from 'log-update'

import type { DemoOutput } from './demo-output.js'
import { renderPicture } from './render-picture.js'
import type { Picture } from './render-picture.js'
import { paint } from '../terminal/styled-line.js'

const redrawEveryMs = 1_000
const clearScreen = '\u001B[2J\u001B[H'

/** A panel that is redrawn in place once a second. */
export function terminalOutput(stream: NodeJS.WriteStream, colours: boolean): DemoOutput {
  const panel = createLogUpdate(stream)
  let picture: (() => Picture) | null = null
  let timer: NodeJS.Timeout | undefined

  function draw(): void {
    if (picture === null) return
    const size = { columns: stream.columns ?? 80, rows: stream.rows ?? 24 }
    panel(paint(renderPicture(picture(), size), colours))
  }

  function redrawAll(): void {
    // The terminal has wrapped the old lines in its own way: only an empty screen is sure to be clean.
    panel.done()
    stream.write(clearScreen)
    draw()
  }

  return {
    starting: () => panel('Tidemark demo: starting two local chains, a database and the service …'),
    ready(_url, current) {
      picture = current
      stream.on('resize', redrawAll)
      timer = setInterval(draw, redrawEveryMs)
      draw()
    },
    firstBalance: draw,
    // Part of the picture already.
    problem() {},
    stopping() {
      clearInterval(timer)
      stream.off('resize', redrawAll)
      draw()
      panel.done()
      stream.write('stopping …\n')
    },
    end: (summary) => void stream.write(`${summary}\n`),
  }
}
