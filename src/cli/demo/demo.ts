import { exitCodes } from '../exit-code.js'
import type { ExitCode } from '../exit-code.js'
import { countText, secondsText } from '../terminal/amount-text.js'
import { chooseOutput } from './choose-output.js'
import { claimPort } from './claim-port.js'
import { Cleanup } from './cleanup.js'
import { ProblemLog } from './problem-log.js'
import { readDemoOptions } from './read-demo-options.js'
import type { DemoOptions } from './read-demo-options.js'
import type { Picture } from './render-picture.js'
import { requireAnvil } from './require-anvil.js'
import { startDemo } from './start-demo.js'
import { StopRequest } from './stop-request.js'

const host = '127.0.0.1'

/**
 * `tidemark demo`: two local chains with busy wallets, watched by the real service in a process of its own, until a
 * signal. Whatever it made is gone afterwards.
 */
export async function demo(options: DemoOptions): Promise<ExitCode> {
  const settings = readDemoOptions(options)
  requireAnvil()
  const port = await claimPort(host, settings.port)
  const stop = new StopRequest(settings.durationMs)
  const output = chooseOutput()
  const problems = new ProblemLog((problem) => output.problem(problem))
  const cleanup = new Cleanup()
  let lastPicture: Picture | null = null
  try {
    output.starting()
    const running = await startDemo({
      host,
      port,
      signal: stop.signal,
      problems,
      cleanup,
      onReady: (url, picture) => output.ready(url, picture),
      onFirstBalance: (picture) => output.firstBalance(picture),
    })
    await Promise.race([stop.requested, running.ended])
    lastPicture = running.picture()
  } catch (error) {
    // A stop during the start shows as a failure of the step it cut short.
    if (!stop.signal.aborted) throw error
  } finally {
    output.stopping()
    await cleanup.run().finally(() => stop.close())
  }
  output.end(summaryOf(lastPicture, problems))
  return exitCodes.ok
}

function summaryOf(picture: Picture | null, problems: ProblemLog): string {
  if (picture === null) return 'stopped before all was up; everything it made is removed'
  const { firstBalanceMs, rows, changes, reporter } = picture
  const parts = [
    firstBalanceMs === null ? 'no balance was seen' : `first balance after ${secondsText(firstBalanceMs)}`,
    countText(rows.length, 'balance'),
    countText(changes, 'change'),
    `${countText(reporter.acknowledged, 'snapshot')} acknowledged`,
  ]
  const summary = `stopped after ${secondsText(performance.now())}: ${parts.join(', ')}; everything it made is removed`
  return problems.count === 0
    ? summary
    : `${summary}\n${countText(problems.count, 'problem')}, the last one: ${problems.last}`
}
