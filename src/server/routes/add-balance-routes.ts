import { getBalance, listBalances, listCoverage, listHistory } from '../../api/balance-routes.js'
import { encodeBalanceRecord, encodeCoverageInterval, encodeCurrentBalance } from '../../api/balance-wire.js'
import { encodeCursor } from '../../api/cursor.js'
import { onePage } from '../../api/page.js'
import { RequestError } from '../../api/request-error.js'
import type { BalanceManager } from '../../index.js'
import type { RouteRegistrar } from '../http/register-route.js'

export function addBalanceRoutes(registrar: RouteRegistrar, manager: Pick<BalanceManager, 'reader'>): void {
  registrar.add(listBalances, async ({ query }) => {
    const page = await manager.reader.currentBalances({
      chainId: query.chainId,
      token: query.tokenAddress,
      solver: query.solverAddress,
      limit: query.limit,
      after: query.cursor,
    })
    return { items: page.items.map(encodeCurrentBalance), nextCursor: encodeCursor('balances', page.nextCursor) }
  })

  registrar.add(getBalance, async ({ params }) => {
    const balance = await manager.reader.currentBalance(params)
    if (balance === null) throw unknownPosition()
    return encodeCurrentBalance(balance)
  })

  registrar.add(listHistory, async ({ params, query }) => {
    const { cursor: beforeBlock, ...rest } = query
    const page = await manager.reader.history({ position: params, beforeBlock, ...rest })
    if (page === null) throw unknownPosition()
    return { items: page.items.map(encodeBalanceRecord), nextCursor: encodeCursor('history', page.nextCursor) }
  })

  registrar.add(listCoverage, async ({ params }) => {
    const intervals = await manager.reader.coverage(params)
    if (intervals === null) throw unknownPosition()
    return onePage(intervals.map(encodeCoverageInterval))
  })
}

function unknownPosition(): RequestError {
  return new RequestError('unknown_position', 'no balance is known for this chain, token and solver')
}
