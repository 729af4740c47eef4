import { Panel } from '../terminal/panel.js'
import type { DemoOutput } from './demo-output.js'
import { renderPicture } from './render-picture.js'

/** A panel that is redrawn in place once a second. */
export function terminalOutput(stream: NodeJS.WriteStream, colours: boolean): DemoOutput {
  const panel = new Panel(stream, colours)
  return {
    starting: () => panel.announce('Tidemark demo: starting two local chains, a database and the service …'),
    ready: (_url, picture) => panel.start((size) => renderPicture(picture(), size)),
    firstBalance: () => panel.draw(),
    // Part of the picture already.
    problem() {},
    stopping() {
      panel.stop()
      stream.write('stopping …\n')
    },
    end: (summary) => void stream.write(`${summary}\n`),
  }
}
