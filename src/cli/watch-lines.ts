import type { WireEvent } from '../api/event-wire.js'
import type { LiveState } from './live/live-state.js'
import { rowKey } from './live/balance-row.js'
import type { BalanceRow } from './live/balance-row.js'
import { timeText } from './history-lines.js'
import { isSelected } from './source/selection.js'
import { TidemarkError } from '../index.js'
import { amountText, changeText, countText, grouped } from './terminal/amount-text.js'
import { jsonText } from './terminal/output.js'
import type { Output } from './terminal/output.js'
import { plainText } from './terminal/plain-text.js'
import { chainName, tokenName, walletName } from './terminal/position-names.js'
import { namedRows, nameOfChain } from './watch-view.js'
import type { WatchView, WatchViewOptions } from './watch-view.js'

export interface WatchLinesOptions extends WatchViewOptions {
  readonly output: Output
  /** One JSON object per line instead. */
  readonly json: boolean
}

/** Lines that wait for a slow reader; more would fill the memory. */
const WAITING_MAX = 10_000

/** Whoever reads our output is too slow for what happens. */
class SlowReaderError extends TidemarkError {
  readonly code = 'slow_reader'
}

/** An event that is about a position, with what is written of it. */
type Told = Extract<
  WireEvent,
  { name: 'balance:updated' | 'position:started' | 'balance:reverted' | 'history:extended' }
>

/** One line for each change, for pipes and programs. */
export function watchLines(options: WatchLinesOptions): WatchView {
  const { output, json } = options
  let fail: (error: unknown) => void = () => undefined
  const failed = new Promise<never>((_resolve, reject) => (fail = reject))
  let waiting = 0
  let writing = Promise.resolve()
  /** Names and decimals come with the first list: until then events wait. Null from then on. */
  let early: Told[] | null = []

  function write(line: string): void {
    if (waiting >= WAITING_MAX)
      return fail(new SlowReaderError(`expected a reader, got ${WAITING_MAX} lines that wait for one`))
    waiting += 1
    writing = writing
      .then(() => output.write(line))
      .then(
        () => void (waiting -= 1),
        (error: unknown) => fail(error),
      )
  }

  function tell(event: Told): void {
    if (json) {
      const selected = selectedPart(event, options)
      if (selected !== null) write(jsonText({ event: event.name, ...selected }))
    } else for (const line of linesOf(event, options)) write(line)
  }

  return {
    failed,
    event(event) {
      switch (event.name) {
        case 'balance:updated':
        case 'position:started':
        case 'balance:reverted':
        case 'history:extended':
          if (early === null) tell(event)
          else if (early.length < WAITING_MAX) early.push(event)
          else fail(new SlowReaderError(`expected a list of balances, got ${WAITING_MAX} events before it`))
          return
        case 'balance:snapshot':
        case 'token:changed':
        case 'watch-list:changed':
          return
      }
    },
    listed() {
      if (early === null) return
      const events = early
      early = null
      console.error(`Watching ${countText(namedRows(options).length, 'balance')}; Ctrl-C ends it.`)
      for (const event of events) tell(event)
    },
    problem: (problem) => console.error(problem),
    close: () => writing.catch(() => undefined),
  }
}

/** The event as far as it is about what is watched; null when nothing of it is. */
function selectedPart(event: Told, { selection }: WatchViewOptions): Told['payload'] | null {
  if (event.name !== 'balance:reverted') return isSelected(event.payload, selection) ? event.payload : null
  const items = event.payload.items.filter(({ position }) => isSelected(position, selection))
  return items.length === 0 ? null : { ...event.payload, items }
}

function linesOf(event: Told, options: WatchViewOptions): string[] {
  const { state } = options
  const part = selectedPart(event, options)
  if (part === null) return []
  switch (event.name) {
    case 'balance:updated': {
      const { payload } = event
      const { decimals = null } = rowOf(state, payload) ?? {}
      const amounts = `${changeText(BigInt(payload.changeAmount), decimals)} → ${amountText(BigInt(payload.newBalance), decimals)}`
      const transaction = payload.transactionHashes[0] ?? payload.cause
      const time = timeText(payload.timestamp)
      return [joined(time, nameOf(payload, options), amounts, blockText(payload.blockNumber), transaction)]
    }
    case 'position:started': {
      const { payload } = event
      const amount = amountText(BigInt(payload.balance), payload.decimals ?? null)
      const time = timeText(payload.timestamp)
      return [joined(time, nameOf(payload, options), `first seen: ${amount}`, blockText(payload.blockNumber))]
    }
    case 'balance:reverted': {
      const above = `blocks above ${grouped(BigInt(event.payload.ancestor.blockNumber))} were taken back`
      return event.payload.items
        .filter(({ position }) => isSelected(position, options.selection))
        .map(({ position }) => joined(now(), nameOf(position, options), above))
    }
    case 'history:extended': {
      const { payload } = event
      const blocks = `history of blocks ${grouped(BigInt(payload.fromBlock))} to ${grouped(BigInt(payload.toBlock))}`
      return [
        joined(
          now(),
          nameOf(payload, options),
          `${blocks}: ${payload.added} records added, ${payload.removed} removed`,
        ),
      ]
    }
  }
}

function nameOf(
  position: { readonly chainId: string; readonly tokenAddress: string; readonly solverAddress: string },
  { state, chains }: WatchViewOptions,
): string {
  const wallet = walletName({ label: state.labelOf(position.solverAddress), solverAddress: position.solverAddress })
  const token = tokenName({ symbol: rowOf(state, position)?.symbol ?? null, tokenAddress: position.tokenAddress })
  return `${wallet} ${token} on ${chainName(nameOfChain(chains, position.chainId))}`
}

function rowOf(state: LiveState, position: Parameters<typeof rowKey>[0]): BalanceRow | undefined {
  return state.row(rowKey(position))
}

function blockText(blockNumber: string): string {
  return `block ${grouped(BigInt(blockNumber))}`
}

/** For what has no time of a block. */
function now(): string {
  return timeText(new Date().toISOString())
}

function joined(...parts: readonly string[]): string {
  return plainText(parts.join('  '), Number.POSITIVE_INFINITY)
}
