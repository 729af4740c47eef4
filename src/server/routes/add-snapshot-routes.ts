import { RequestError } from '../../api/request-error.js'
import { listSnapshots, saveSnapshot } from '../../api/snapshot-routes.js'
import type { SnapshotListAnswer } from '../../api/snapshot-wire.js'
import { encodeSnapshot, encodeSnapshotSaved } from '../../api/snapshot-wire.js'
import type { BalanceManager } from '../../index.js'
import type { RouteRegistrar } from '../http/register-route.js'

export function addSnapshotRoutes(
  registrar: RouteRegistrar,
  manager: Pick<BalanceManager, 'saveSnapshot' | 'snapshots'>,
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
}
