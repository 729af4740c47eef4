import { getBalance, listBalances, listCoverage, listHistory } from '../../api/balance-routes.js'
import type { InstantQuery, PositionParams } from '../../api/balance-routes.js'
import { encodePastBalance } from '../../api/balance-statistics-wire.js'
import type { WirePastBalance } from '../../api/balance-statistics-wire.js'
import { encodeBalanceRecord, encodeCoverageInterval, encodeCurrentBalance } from '../../api/balance-wire.js'
import { encodeCursor } from '../../api/cursor.js'
import { onePage } from '../../api/page.js'
import { RequestError } from '../../api/request-error.js'
import type { BalanceManager, Instant } from '../../index.js'
import type { RouteRegistrar } from '../http/register-route.js'
import { unknownPosition } from './unknown-position.js'

type Balances = Pick<BalanceManager, 'reader' | 'records'>

export function addBalanceRoutes(registrar: RouteRegistrar, manager: Balances): void {
  registrar.add(listBalances, async ({ query }) => {
    const { chainId, tokenAddress: token, solverAddress: solver, at, limit, cursor: after } = query
    const request = { chainId, token, solver, limit, after }
    if (at !== undefined) {
      const { items, nextCursor } = await manager.records.balancesAt({ ...request, time: at })
      return { items: items.map(encodePastBalance), nextCursor: encodeCursor('balances', nextCursor) }
    }
    const { items, nextCursor } = await manager.reader.currentBalances(request)
    return { items: items.map(encodeCurrentBalance), nextCursor: encodeCursor('balances', nextCursor) }
  })

  registrar.add(getBalance, async ({ params, query }) => {
    const instant = instantOf(query)
    if (instant !== null) return await balanceAt(manager, params, instant)
    const balance = await manager.reader.currentBalance(params)
    if (balance === null) throw unknownPosition()
    return encodeCurrentBalance(balance)
  })

  registrar.add(listHistory, async ({ params, query }) => {
    const { cursor: beforeBlock, ...rest } = query
    const page = await manager.records.history({ position: params, beforeBlock, ...rest })
    if (page === null) throw unknownPosition()
    return { items: page.items.map(encodeBalanceRecord), nextCursor: encodeCursor('history', page.nextCursor) }
  })

  registrar.add(listCoverage, async ({ params }) => {
    const intervals = await manager.reader.coverage(params)
    if (intervals === null) throw unknownPosition()
    return onePage(intervals.map(encodeCoverageInterval))
  })
}

function instantOf({ block, at }: InstantQuery): Instant | null {
  if (block !== undefined) return { block }
  return at === undefined ? null : { time: at }
}

async function balanceAt(manager: Balances, position: PositionParams, instant: Instant): Promise<WirePastBalance> {
  const balance = await manager.records.balanceAt(position, instant)
  if (balance !== null) return encodePastBalance(balance)
  if ((await manager.records.history({ position, limit: 1 })) === null) throw unknownPosition()
  throw new RequestError('unknown_balance', 'nothing is known of this position by then', {
    hint: 'Its coverage tells from which block on it is known.',
  })
}
