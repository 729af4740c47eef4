import type { WireChain } from '../../api/chain-wire.js'
import type { ChainState } from '../../index.js'
import { ageText, countText, grouped, secondsText } from '../terminal/amount-text.js'
import { displayWidth } from '../terminal/display-width.js'
import { plainText } from '../terminal/plain-text.js'
import { renderTable } from '../live/render-table.js'
import type { NamedRow } from '../live/render-table.js'
import type { ReporterStatus } from './reporter-status.js'
import type { ScreenSize } from '../terminal/panel.js'
import { fitLine, span } from '../terminal/styled-line.js'
import type { Ink, StyledLine } from '../terminal/styled-line.js'

/** Everything that the terminal shows at one moment. */
export interface Picture {
  readonly url: string
  readonly chains: readonly WireChain[]
  readonly rows: readonly NamedRow[]
  readonly changes: number
  readonly reporter: ReporterStatus
  readonly firstBalanceMs: number | null
  /** The newest thing that went wrong lately; null when nothing did. */
  readonly problem: string | null
  readonly nowMs: number
}

const textColumns = 200
/** Fewest lines of the table, on however low a terminal. */
const fewestTableLines = 4

const stateInks: Readonly<Record<ChainState, Ink>> = {
  live: 'good',
  syncing: 'warning',
  degraded: 'warning',
  stalled: 'bad',
}

/** The whole panel, fitted to the terminal. */
export function renderPicture(picture: Picture, { columns, rows }: ScreenSize): StyledLine[] {
  const above = [...headerOf(picture), ...chainLines(picture.chains), reporterLine(picture), []]
  const below = [[], footerOf(picture), ...problemLines(picture)]
  // One line less than the terminal has: the cursor stands below the panel.
  const maxLines = Math.max(fewestTableLines, rows - 1 - above.length - below.length)
  const table = renderTable({ rows: picture.rows, nowMs: picture.nowMs, columns, maxLines })
  return [...above, ...table, ...below].map((line) => fitLine(line, columns))
}

function headerOf({ url }: Picture): StyledLine[] {
  return [
    [span('Tidemark demo', 'title'), span(`  ${url}`), span(`  documentation ${url}/docs`, 'quiet')],
    [span('Ctrl-C stops it and removes everything it made', 'quiet')],
    [],
  ]
}

/** One line per chain, in columns of their own. */
export function chainLines(chains: readonly WireChain[]): StyledLine[] {
  const names = chains.map(({ name }) => plainText(name, 24))
  const nameWidth = Math.max(0, ...names.map(displayWidth))
  return chains.map((chain, index) => {
    const name = names[index] ?? ''
    const padding = ' '.repeat(nameWidth - displayWidth(name))
    const reason = chain.reason === null ? '' : `  ${plainText(chain.reason, textColumns)}`
    return [
      span(`${name}${padding}  `),
      span(chain.state.padEnd(8), stateInks[chain.state]),
      span(`  head ${chain.head === null ? '–' : grouped(BigInt(chain.head))}`),
      span(`  lag ${chain.lagSeconds === null ? '–' : ageText(chain.lagSeconds * 1_000)}`),
      span(`  chain id ${chain.chainId}`, 'quiet'),
      span(reason, 'warning'),
    ]
  })
}

function reporterLine({ reporter, nowMs }: Picture): StyledLine {
  const { acknowledged, refused, lastAcknowledgedAtMs, lastError } = reporter
  const last = lastAcknowledgedAtMs === null ? '' : `, last ${ageText(nowMs - lastAcknowledgedAtMs)} ago`
  const line = [span(`reporter: ${countText(acknowledged, 'snapshot')} acknowledged${last}`)]
  if (refused > 0) line.push(span(`, ${refused} refused`, 'bad'))
  if (lastError !== null) line.push(span(` (${plainText(lastError, textColumns)})`, 'warning'))
  return line
}

function footerOf({ rows, changes, firstBalanceMs }: Picture): StyledLine {
  const first =
    firstBalanceMs === null ? 'waiting for the first balance' : `first balance after ${secondsText(firstBalanceMs)}`
  return [span(`${countText(rows.length, 'balance')}, ${countText(changes, 'change')}; ${first}`, 'quiet')]
}

function problemLines({ problem }: Picture): StyledLine[] {
  return problem === null ? [] : [[span(plainText(problem, textColumns), 'warning')]]
}
