import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { followBalances } from './live/follow-balances.js'
import { rowKey } from './live/balance-row.js'
import { LiveState } from './live/live-state.js'
import { chooseSource } from './source/choose-source.js'
import type { SourceOptions } from './source/choose-source.js'
import { readDirectory, watchedPositions } from './source/directory.js'
import { findSelection } from './source/find-by-name.js'
import type { NamesGiven } from './source/find-by-name.js'
import { filtersOf, isSelected } from './source/selection.js'
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
  await using source = await chooseSource({ ...options, live: true })
  const output = new Output()
  const directory = await readDirectory(source)
  const selection = await findSelection(directory, given)
  const positions = watchedPositions(directory).map(({ chain, token, solver }) => ({
    chainId: chain.chainId,
    tokenAddress: token,
    solverAddress: solver.address,
  }))
  const wanted = positions.filter((position) => isSelected(position, selection))
  const state = new LiveState(wanted.map(rowKey))
  const view = { state, selection, chains: directory.chains }
  const shown =
    output.isTerminal && options.json !== true
      ? watchScreen({ ...view, source, watched: wanted.length, colours: output.colours })
      : watchLines({ ...view, output, json: options.json === true })
  const stopped = untilSignal()
  let end: (error: Error) => void = () => undefined
  const ended = new Promise<never>((_resolve, reject) => (end = reject))
  // Either may come before somebody waits for it.
  for (const failure of [ended, shown.failed]) failure.catch(() => undefined)
  const closed = new Promise<void>((resolve) => output.closed.addEventListener('abort', () => resolve()))
  const following = await followBalances({
    source,
    filters: filtersOf(selection),
    state,
    refreshEveryMs: REFRESH_EVERY_MS,
    onEvent: (event) => shown.event(event),
    onListed: () => shown.listed(),
    onProblem: (problem) => shown.problem(plainText(problem, PROBLEM_COLUMNS)),
    onEnd: (error) => end(error),
  })
  try {
    await Promise.race([stopped, closed, shown.failed, ended])
    return exitCodes.ok
  } finally {
    await following.close()
    await shown.close()
  }
}
