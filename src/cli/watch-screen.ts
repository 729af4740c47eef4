import type { BalanceSource } from './source/balance-source.js'
import { renderTable } from './live/render-table.js'
import { countText } from './terminal/amount-text.js'
import { Panel } from './terminal/panel.js'
import type { ScreenSize } from './terminal/panel.js'
import { plainText } from './terminal/plain-text.js'
import { fitLine, span } from './terminal/styled-line.js'
import type { StyledLine } from './terminal/styled-line.js'
import { namedRows } from './watch-view.js'
import type { WatchView, WatchViewOptions } from './watch-view.js'

export interface WatchScreenOptions extends WatchViewOptions {
  readonly source: Pick<BalanceSource, 'name'>
  readonly colours: boolean
  /** Positions that should have a balance. */
  readonly watched: number
}

/** Lines above and below the table, and one for the cursor. */
const OTHER_LINES = 5
const FEWEST_TABLE_LINES = 4
/** A problem is shown this long after it was told last. */
const PROBLEM_SHOWN_MS = 15_000
const TEXT_COLUMNS = 200

/** A table on the terminal that stays up to date. */
export function watchScreen(options: WatchScreenOptions): WatchView {
  const { source, state, colours, watched } = options
  const panel = new Panel(process.stdout, colours)
  let problem: { readonly text: string; readonly atMs: number } | null = null

  function render({ columns, rows }: ScreenSize): StyledLine[] {
    const nowMs = Date.now()
    const shown = namedRows(options)
    const maxLines = Math.max(FEWEST_TABLE_LINES, rows - OTHER_LINES)
    const recent = problem !== null && nowMs - problem.atMs < PROBLEM_SHOWN_MS ? problem.text : ''
    const lines: StyledLine[] = [
      [span('Tidemark', 'title'), span(`  ${plainText(source.name, TEXT_COLUMNS)}`)],
      [],
      ...renderTable({ rows: shown, nowMs, columns, maxLines }),
      [
        span(`${countText(shown.length, 'balance')}, ${countText(state.changes, 'change')}`, 'quiet'),
        span(watched > shown.length ? `, ${watched - shown.length} unknown` : '', 'warning'),
        span('; Ctrl-C ends it', 'quiet'),
        span(recent === '' ? '' : `  ${recent}`, 'warning'),
      ],
    ]
    return lines.map((line) => fitLine(line, columns))
  }

  panel.start(render)
  return {
    // Drawn once a second, whatever happens.
    failed: new Promise<never>(() => undefined),
    event() {},
    listed() {},
    problem(text) {
      problem = { text, atMs: Date.now() }
    },
    async close() {
      panel.stop()
    },
  }
}
