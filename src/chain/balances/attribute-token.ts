import type { Address } from '../../model/address.js'
import type { Attribution } from '../../model/chain-event.js'
import type { Position } from '../../model/position.js'
import type { BalanceChange } from './balance-change.js'
import { concludeAttribution } from './conclude-attribution.js'
import type { Movement } from './conclude-attribution.js'
import type { TransferLog } from './fetch-activity.js'
import { namesWallet, readWrapping } from './read-wrapping.js'
import { REBASES, TRANSFER } from './transfer-topics.js'

/** Holders of one token that changed in one block without a log of theirs: more than one is no coincidence. */
const SILENT_HOLDERS_MIN = 2

/**
 * What a token's logs say of its holders' changes. A rest that no log explains is a rebase where the token announced one
 * in this block, or where several holders changed silently; the rest stays unexplained all the same, because no log
 * gives its amount.
 *
 * @param changes the block's changes of one token
 * @returns an attribution for each change
 */
export function attributeToken(
  changes: readonly BalanceChange[],
  logs: readonly TransferLog[],
): ReadonlyMap<Position, Attribution> {
  const token = changes[0]?.position.token
  const ofToken = logs.filter((log) => log.token === token)
  const found = changes.map(({ position, delta }) => ({
    position,
    delta,
    movements: bestMovements(ofToken, position.solver, delta),
  }))
  const announced = ofToken.some(({ topics: [topic] }) => topic !== undefined && REBASES.includes(topic))
  const silent = found.filter(({ movements }) => movements.length === 0).length
  const restCause = announced || silent >= SILENT_HOLDERS_MIN ? 'rebase' : 'unknown'
  return new Map(
    found.map(({ position, delta, movements }) => [position, concludeAttribution(delta, movements, restCause)]),
  )
}

/**
 * Some wrapped tokens emit a Transfer beside Deposit and Withdrawal, others do not, and others in some functions only:
 * each pair counted once is tried first, then the transfers alone, then every log.
 */
function bestMovements(logs: readonly TransferLog[], wallet: Address, delta: bigint): readonly Movement[] {
  const transfers = logs.flatMap((log) => transferOf(log, wallet) ?? [])
  const wrappings = logs.flatMap((log) => wrappingOf(log, wallet) ?? [])
  const paired = pair(transfers, wrappings)
  const fits = (movements: readonly Movement[]): boolean =>
    movements.reduce((sum, movement) => sum + movement.amount, 0n) === delta
  return [paired, transfers, [...transfers, ...wrappings]].find(fits) ?? paired
}

/** Transfers and wrappings, where a transfer and a wrapping of one amount in one transaction are the same movement. */
function pair(transfers: readonly Movement[], wrappings: readonly Movement[]): readonly Movement[] {
  const left = [...transfers]
  for (const wrapping of wrappings) {
    const twin = left.findIndex(
      ({ kind, amount, transactionHash }) =>
        kind === 'transfer' && amount === wrapping.amount && transactionHash === wrapping.transactionHash,
    )
    if (twin === -1) left.push(wrapping)
    else left[twin] = wrapping
  }
  return left
}

/** ERC-721 has the same event with a fourth topic; its last field is no amount. */
function transferOf(log: TransferLog, wallet: Address): Movement | null {
  const [topic, from, to] = log.topics
  if (topic !== TRANSFER || log.topics.length !== 3 || log.data.length !== 66) return null
  const sent = namesWallet(from, wallet)
  const received = namesWallet(to, wallet)
  // A transfer to itself moves nothing, but its transaction is the wallet's.
  if (!sent && !received) return null
  const value = BigInt(log.data)
  return movementBy(log, 'transfer', (received ? value : 0n) - (sent ? value : 0n))
}

function wrappingOf(log: TransferLog, wallet: Address): Movement | null {
  const amount = readWrapping(log, wallet)
  return amount === null ? null : movementBy(log, 'wrap', amount)
}

function movementBy(log: TransferLog, kind: Movement['kind'], amount: bigint): Movement {
  const { transactionHash, transactionIndex } = log
  return { kind, amount, transactionHash, transactionIndex }
}
