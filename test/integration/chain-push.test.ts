import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { BalanceManager } from '../../src/index.js'
import type { LoggedEvent } from '../../src/index.js'
import { createWorld, startAnvil } from '../../src/testing/index.js'
import type { Anvil, World } from '../../src/testing/index.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'

const HOUR_MS = 3_600_000
/** Well below the 15 s after which a silent socket makes the service look for itself. */
const PUSH_TIMEOUT_MS = 8000

describe('a change on a chain', () => {
  let anvil: Anvil
  let world: World
  let testDatabase: TestDatabase
  let manager: BalanceManager
  const events: LoggedEvent[] = []

  beforeAll(async () => {
    anvil = await startAnvil({ blockTimeSeconds: 'manual' })
    world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 11, solverCount: 2 })
    testDatabase = await createTestDatabase()
    manager = new BalanceManager({
      config: {
        databaseUrl: testDatabase.url,
        dataDir: '/nonexistent',
        solvers: world.solvers.map((address) => ({ address, label: null })),
        chains: [
          {
            chainId: world.chainId,
            name: 'Local',
            nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
            rpcUrls: [anvil.rpcUrl],
            wsUrls: [anvil.wsUrl],
            tokens: world.tokens.map((token) => token.address),
            blockTimeMs: null,
            // Polling plays no part: what is noticed was pushed.
            pollIntervalMs: HOUR_MS,
            syncIntervalMs: HOUR_MS,
          },
        ],
      },
    })
    await manager.start()
    manager.events.subscribe((event) => events.push(event))
    await until('the websocket is subscribed', async () =>
      (await manager.chains())[0]?.endpoints.some(({ transport, healthy }) => transport === 'websocket' && healthy),
    )
    await until('the balances are known', async () => {
      const page = await manager.reader.currentBalances({ limit: 1 })
      return page.items.length > 0
    })
  })

  afterAll(async () => {
    await manager.close()
    await anvil.stop()
    await testDatabase.drop()
  })

  it('is noticed through the WebSocket alone: a token transfer, and a native one', async () => {
    const [solver] = world.solvers
    const [token] = world.tokens
    if (solver === undefined || token === undefined) throw new Error('expected a solver and a token')
    const updated = (tokenAddress: string, after: number): LoggedEvent | undefined =>
      events
        .slice(after)
        .find(
          (event) =>
            event.type === 'balance.updated' &&
            event.data.tokenAddress === tokenAddress &&
            event.data.solverAddress === solver,
        )
    for (const [tokenAddress, action] of [
      [token.address, { kind: 'token-in', token: token.address, solver, amount: 1_250_000n }],
      ['native', { kind: 'native-in', solver, amount: 7n }],
    ] as const) {
      const before = events.length
      await world.perform([action])
      await world.mine()
      await until('the change is announced', () => updated(tokenAddress, before), PUSH_TIMEOUT_MS)
      const event = updated(tokenAddress, before)
      expect(event?.data).toMatchObject({ changeAmount: action.amount })
    }
  })

  it('shows in the balance with its metadata and formatted', async () => {
    const [solver] = world.solvers
    const [token] = world.tokens
    if (solver === undefined || token === undefined) throw new Error('expected a solver and a token')
    const balance = await manager.getCurrentBalance(world.chainId, token.address, solver)
    expect(balance).toMatchObject({ decimals: token.decimals, symbol: token.symbol, name: token.name })
    const units = balance?.balance ?? 0n
    const scale = 10n ** BigInt(token.decimals)
    const decimals = (units % scale).toString().padStart(token.decimals, '0').replace(/0+$/, '')
    expect(balance?.formatted).toBe(decimals === '' ? `${units / scale}` : `${units / scale}.${decimals}`)
  })
})
