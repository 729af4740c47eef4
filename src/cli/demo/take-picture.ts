import { demoChains } from './demo-plan.js'
import type { LiveState } from '../live/live-state.js'
import type { ProblemLog } from './problem-log.js'
import type { Picture } from './render-picture.js'
import type { ReporterStatus } from './reporter-status.js'

export interface PictureOptions {
  readonly url: string
  readonly state: LiveState
  readonly reporter: ReporterStatus
  readonly problems: ProblemLog
  readonly firstBalanceMs: number | null
}

/** What there is to show now, with names instead of ids. */
export function takePicture({ url, state, reporter, problems, firstBalanceMs }: PictureOptions): Picture {
  const nowMs = Date.now()
  const names = new Map([
    ...demoChains.map(({ chainId, name }) => [String(chainId), name] as const),
    ...state.chains.map(({ chainId, name }) => [chainId, name] as const),
  ])
  return {
    url,
    chains: state.chains,
    rows: state.rows().map((row) => ({
      ...row,
      label: state.labelOf(row.solverAddress),
      chainName: names.get(row.chainId) ?? `chain ${row.chainId}`,
    })),
    changes: state.changes,
    reporter,
    firstBalanceMs,
    problem: problems.recent(nowMs),
    nowMs,
  }
}
