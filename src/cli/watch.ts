import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { followBalances } from './live/follow-balances.js'
import { LiveState } from './live/live-state.js'
import { chooseSource } from './source/choose-source.js'
import type { SourceOptions } from './source/choose-source.js'
import { readDirectory } from './source/directory.js'
import { findSelection } from './source/find-by-name.js'
import type { NamesGiven } from './source/find-by-name.js'
import { filtersOf } from './source/selection.js'
import { Output } from './terminal/output.js'
import { plainText } from './terminal/plain-text.js'
import { untilSignal } from './until-signal.js'
import { watchLines } from './watch-lines.js'
import { watchScreen } from './watch-screen.js'

export interface WatchOptions extends SourceOptions {
  readonly json?: boolean | undefined
}

/** Whether a balance is stale is looked at this often: no event tells it. */
const REFRESH_EVERY_MS = 10_000
const PROBLEM_COLUMNS = 200

/** `tidemark watch`: a table that stays up to date, or one line for each change, until Ctrl-C. */
export async function watch(given: NamesGiven, options: WatchOptions): Promise<ExitCode> {
  const stopped = untilSignal()
  await using source = await chooseSource({ ...options, live: true })
  const output = new Output()
  const directory = await readDirectory(source)
  const selection = await findSelection(directory, given)
  const state = new LiveState([])
  const view =
    output.isTerminal && options.json !== true
      ? watchScreen({ source, state, selection, chains: directory.chains, colours: output.colours })
      : watchLines({ output, state, selection, chains: directory.chains, json: options.json === true })
  let end: (error: Error) => void = () => undefined
  const ended = new Promise<never>((_resolve, reject) => (end = reject))
  const closed = new Promise<void>((resolve) => output.closed.addEventListener('abort', () => resolve()))
  const following = await followBalances({
    source,
    filters: filtersOf(selection),
    state,
    refreshEveryMs: REFRESH_EVERY_MS,
    onEvent: (event) => view.event(event),
    onBalances: () => view.balances(),
    onProblem: (problem) => view.problem(plainText(problem, PROBLEM_COLUMNS)),
    onEnd: (error) => end(error),
  })
  try {
    await Promise.race([stopped, closed, view.failed, ended])
    return exitCodes.ok
  } finally {
    await following.close()
    await view.close()
  }
}
