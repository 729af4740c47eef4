import type { Hex } from 'viem'
import { WorldError } from './errors.js'
import type { Rpc } from './rpc.js'
import { type ActionCast, type WorldAction, type WorldActionKind, worldActionKinds } from './world-action.js'
import type { Funds } from './world-funds.js'
import { type Movement, movementsOf } from './world-movement.js'
import { type Receipt, readReceipt } from './world-receipt.js'
import { maxFeePerGas, type WorldTransaction } from './world-sender.js'

/** Follows actions from being sent to being in a block, and keeps the funds and the counters right. */
export interface Progress {
  readonly pendingCount: number
  sent(action: WorldAction, transactions: readonly WorldTransaction[], hashes: readonly Hex[]): void
  /** Looks for receipts of everything pending. */
  collect(): Promise<void>
  /** Stops following what is pending. */
  forget(): void
  kinds(): Readonly<Record<WorldActionKind, number>>
}

interface PendingAction {
  readonly action: WorldAction
  readonly transactions: readonly WorldTransaction[]
  readonly hashes: readonly Hex[]
  readonly movements: readonly Movement[]
}

export interface ProgressOptions {
  readonly rpc: Rpc
  readonly funds: Funds
  readonly cast: ActionCast
}

export function createProgress({ rpc, funds, cast }: ProgressOptions): Progress {
  let pending: PendingAction[] = []
  const counts = Object.fromEntries(worldActionKinds.map((kind) => [kind, 0])) as Record<WorldActionKind, number>

  /** What is wrong with how the action ended, or null. */
  function settle(
    { action, transactions, hashes, movements }: PendingAction,
    receipts: readonly Receipt[],
  ): string | null {
    for (const [index, { from, gas }] of transactions.entries()) {
      funds.add('native', from, gas * maxFeePerGas - (receipts[index]?.fee ?? 0n))
    }
    const shouldSucceed = action.kind !== 'failed'
    const wrong = receipts.findIndex(({ succeeded }) => succeeded !== shouldSucceed)
    if (wrong !== -1) {
      return `expected the action ${action.kind} to ${shouldSucceed ? 'succeed' : 'fail'}, got the opposite in ${hashes[wrong]}`
    }
    for (const { token, to, amount } of movements) funds.add(token, to, amount)
    counts[action.kind] += 1
    return null
  }

  return {
    get pendingCount() {
      return pending.length
    },
    sent(action, transactions, hashes) {
      const movements = movementsOf(action, cast)
      for (const { token, from, amount } of movements) funds.add(token, from, -amount)
      for (const { from, gas } of transactions) funds.add('native', from, -gas * maxFeePerGas)
      pending.push({ action, transactions, hashes, movements })
    },
    async collect() {
      const looked = pending
      const found = await Promise.all(
        looked.map(({ hashes }) => Promise.all(hashes.map((hash) => readReceipt(rpc, hash)))),
      )
      const done = new Map<PendingAction, Receipt[]>()
      for (const [index, entry] of looked.entries()) {
        const receipts = (found[index] ?? []).filter((receipt) => receipt !== null)
        if (receipts.length === entry.hashes.length && pending.includes(entry)) done.set(entry, receipts)
      }
      pending = pending.filter((entry) => !done.has(entry))
      const complaints = [...done].map(([entry, receipts]) => settle(entry, receipts)).filter((text) => text !== null)
      if (complaints.length > 0) {
        throw new WorldError(complaints.join('; '), {
          hint: 'Call resync before going on: what is held is not known now.',
        })
      }
    },
    forget() {
      pending = []
    },
    kinds: () => ({ ...counts }),
  }
}
