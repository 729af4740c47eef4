import { RequestError } from '../../api/request-error.js'
import { getSnapshotSeries, listSnapshots, saveSnapshot } from '../../api/snapshot-routes.js'
import { encodeSnapshotSeries } from '../../api/snapshot-series-wire.js'
import type { SnapshotListAnswer } from '../../api/snapshot-wire.js'
import { encodeSnapshot, encodeSnapshotSaved } from '../../api/snapshot-wire.js'
import type { BalanceManager } from '../../index.js'
import type { RouteRegistrar } from '../http/register-route.js'

/** What a series covers when the request does not say. */
const SERIES_DEFAULT_MS = 24 * 3_600_000

export function addSnapshotRoutes(
  registrar: RouteRegistrar,
  manager: Pick<BalanceManager, 'saveSnapshot' | 'snapshots' | 'snapshotSeries'>,
): void {
  registrar.add(saveSnapshot, async ({ body, request }) => {
    const { snapshot } = await manager.saveSnapshot(body, request.headers['idempotency-key'])
    return encodeSnapshotSaved(snapshot)
  })

  registrar.add(listSnapshots, async ({ query }): Promise<SnapshotListAnswer> => {
    const list = await manager.snapshots(query)
    if (list === null) {
      const issues = [{ path: 'before', message: 'expected the id of a stored snapshot' }]
      throw new RequestError('invalid_request', 'before: expected the id of a stored snapshot', { details: { issues } })
    }
    const { limit, offset } = query
    return {
      success: true,
      data: {
        snapshots: list.snapshots.map(encodeSnapshot),
        pagination: { total: list.total, limit, offset, hasMore: list.hasMore },
      },
    }
  })

  registrar.add(getSnapshotSeries, async ({ query }) => {
    const { book, asset, points } = query
    const to = query.to ?? new Date()
    const from = query.from ?? new Date(to.getTime() - SERIES_DEFAULT_MS)
    if (from > to) {
      const issues = [{ path: 'from', message: 'expected a time that is not after "to"' }]
      throw new RequestError('invalid_request', 'from: expected a time that is not after "to"', { details: { issues } })
    }
    const request = { book, asset, from, to, points }
    return encodeSnapshotSeries(request, await manager.snapshotSeries(request))
  })
}
