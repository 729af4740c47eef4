import type { WireCurrentBalance } from '../../api/balance-wire.js'
import type { WireChain } from '../../api/chain-wire.js'
import type { WireBalanceChange, WireBalanceReverted, WirePositionStarted } from '../../api/event-wire.js'
import type { WireSolver } from '../../api/watch-list-wire.js'
import { rowAfterChange, rowKey, rowOfBalance, rowOfStart } from './balance-row.js'
import type { BalanceRow } from './balance-row.js'

/** What the service has told us so far, put together from its lists and its events. */
export class LiveState {
  chains: readonly WireChain[] = []
  /** Events of changed balances. */
  changes = 0
  readonly #order: ReadonlyMap<string, number>
  readonly #rows = new Map<string, BalanceRow>()
  readonly #labels = new Map<string, string>()

  /** @param order keys of positions in the order in which they are to be shown; others come after them */
  constructor(order: readonly string[]) {
    this.#order = new Map(order.map((key, index) => [key, index]))
  }

  /** Rows in their fixed order. */
  rows(): BalanceRow[] {
    const place = (key: string): number => this.#order.get(key) ?? this.#order.size
    return [...this.#rows].toSorted(([a], [b]) => place(a) - place(b) || (a < b ? -1 : 1)).map(([, row]) => row)
  }

  row(key: string): BalanceRow | undefined {
    return this.#rows.get(key)
  }

  labelOf(solverAddress: string): string | null {
    return this.#labels.get(solverAddress.toLowerCase()) ?? null
  }

  applySolvers(solvers: readonly WireSolver[]): void {
    this.#labels.clear()
    for (const { address, label } of solvers) if (label !== null) this.#labels.set(address.toLowerCase(), label)
  }

  /** Takes over a list. An event may have overtaken it: of two balances the one of the later block stands. */
  applyBalances(items: readonly WireCurrentBalance[]): void {
    for (const item of items) {
      const row = rowOfBalance(item)
      const known = this.#rows.get(rowKey(item))
      if (known === undefined || row.blockNumber >= known.blockNumber) this.#rows.set(rowKey(item), row)
    }
  }

  applyStart(event: WirePositionStarted): void {
    this.#rows.set(rowKey(event), rowOfStart(event))
  }

  applyChange(event: WireBalanceChange): void {
    this.changes += 1
    const key = rowKey(event)
    const row = this.#rows.get(key)
    if (row !== undefined) this.#rows.set(key, rowAfterChange(row, event))
  }

  /** Forgets what a reorganisation took back; the next list tells what stands instead. */
  applyRevert(event: WireBalanceReverted): void {
    for (const { position } of event.items) this.#rows.delete(rowKey(position))
  }

  /** Forgets all balances, after events were missed. */
  clear(): void {
    this.#rows.clear()
  }
}
