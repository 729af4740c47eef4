import { encodeBalanceSeries, encodeBalanceStats, encodeBalanceTotal } from '../../api/balance-statistics-wire.js'
import { getBalanceSeries, getBalanceStats, listTotals, streamHistory } from '../../api/balance-time-routes.js'
import { encodeBalanceRecord } from '../../api/balance-wire.js'
import type { WireBalanceRecord } from '../../api/balance-wire.js'
import { encodeCursor } from '../../api/cursor.js'
import type { BalanceManager, BalanceRecord } from '../../index.js'
import type { RouteRegistrar } from '../http/register-route.js'
import { unknownPosition } from './unknown-position.js'

/** What positions held and did over time. */
export function addBalanceTimeRoutes(
  registrar: RouteRegistrar,
  manager: Pick<BalanceManager, 'reader' | 'records'>,
): void {
  registrar.add(getBalanceStats, async ({ params, query }) => {
    const stats = await manager.records.stats({ position: params, ...query })
    if (stats === null) throw unknownPosition()
    return encodeBalanceStats(params, stats)
  })

  registrar.add(getBalanceSeries, async ({ params, query }) => {
    const series = await manager.records.series({ position: params, ...query })
    if (series === null) throw unknownPosition()
    return encodeBalanceSeries(params, series)
  })

  registrar.addStream(streamHistory, async ({ params, query }) => {
    // A stream of nothing does not tell whether there is such a position.
    if ((await manager.records.history({ position: params, limit: 1 })) === null) throw unknownPosition()
    return encodeAll(manager.records.streamHistory({ position: params, ...query }))
  })

  registrar.add(listTotals, async ({ query }) => {
    const { chainId, tokenAddress: token, solverAddress: solver, by, limit, cursor: after } = query
    const page = await manager.reader.totals({ chainId, token, solver, by, limit, after })
    return { items: page.items.map(encodeBalanceTotal), nextCursor: encodeCursor('totals', page.nextCursor) }
  })
}

async function* encodeAll(records: AsyncIterable<BalanceRecord>): AsyncGenerator<WireBalanceRecord, void, undefined> {
  for await (const record of records) yield encodeBalanceRecord(record)
}
