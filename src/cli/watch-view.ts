import type { WireEvent } from '../api/event-wire.js'
import type { LiveState } from './live/live-state.js'
import type { NamedRow } from './live/render-table.js'
import type { SourceChain } from './source/balance-source.js'
import type { Selection } from './source/find-by-name.js'
import { isSelected } from './source/selection.js'

/** How `tidemark watch` shows what happens. */
export interface WatchView {
  /** Rejects when nothing more can be shown. */
  readonly failed: Promise<never>
  /** After an event was taken over into the state. */
  event(event: WireEvent): void
  /** After a list was. */
  listed(): void
  problem(problem: string): void
  close(): Promise<void>
}

export interface WatchViewOptions {
  readonly state: LiveState
  readonly selection: Selection
  readonly chains: readonly SourceChain[]
}

/** The selected rows with the names that people know them by. */
export function namedRows({ state, selection, chains }: WatchViewOptions): NamedRow[] {
  return state
    .rows()
    .filter((row) => isSelected(row, selection))
    .map((row) => ({ ...row, label: state.labelOf(row.solverAddress), chainName: nameOfChain(chains, row.chainId) }))
}

export function nameOfChain(chains: readonly SourceChain[], chainId: string): string {
  return chains.find((chain) => chain.chainId === chainId)?.name ?? `chain ${chainId}`
}
