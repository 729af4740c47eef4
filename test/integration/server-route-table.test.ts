import { tmpdir } from 'node:os'

import { describe, expect, it } from 'vitest'

import { buildOpenApi } from '../../src/api/openapi.js'
import { routes } from '../../src/api/routes.js'
import { BalanceManager } from '../../src/index.js'
import { silentLogger } from '../../src/model/logger.js'
import { createApp } from '../../src/server/http/create-app.js'
import { KeyRing } from '../../src/server/key-ring.js'
import { ServerLimits } from '../../src/server/limits/server-limits.js'
import { ServerMetrics } from '../../src/server/metrics/server-metrics.js'
import { addRoutes } from '../../src/server/routes/add-routes.js'

describe('addRoutes', () => {
  it('registers the routes of the table and no others, besides the files of the docs', async () => {
    // Not started: registering asks nothing of it.
    const manager = new BalanceManager({ config: { chains: [], solvers: [], databaseUrl: null, dataDir: tmpdir() } })
    const app = await createApp({ corsOrigins: [], hostCheck: () => 'allowed', logger: silentLogger })
    const registered: string[] = []
    const metrics = new ServerMetrics(manager, silentLogger)
    app.addHook('onRoute', ({ method, url }) => {
      if (method !== 'HEAD' && !/^\/docs\/./.test(url)) registered.push(`${String(method)} ${url}`)
    })
    await addRoutes(app, {
      manager,
      keys: new KeyRing({ configured: [], publicRead: false, store: () => manager.apiKeys, logger: silentLogger }),
      limits: new ServerLimits({}, metrics),
      metrics,
      document: buildOpenApi({ version: '0.0.0' }),
      logger: silentLogger,
    })
    await app.close()
    expect([...new Set(registered)].toSorted()).toEqual(
      routes.map(({ method, path }) => `${method} ${path}`).toSorted(),
    )
  })
})
