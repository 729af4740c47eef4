import { rm } from 'node:fs/promises'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { createWorld, startAnvil, startFaultProxy } from '../../src/testing/index.js'
import type { Anvil, World } from '../../src/testing/index.js'
import type { Finding } from '../../src/index.js'
import { runService, temporaryFolder } from '../support/service.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { freePort } from './chain-service.js'

const SECRET = 'canary4f0c1e'

let anvil: Anvil
let world: World
let database: TestDatabase
let folder: string

beforeEach(async () => {
  anvil = await startAnvil({ blockTimeSeconds: 'manual' })
  world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 5, solverCount: 1 })
  database = await createTestDatabase()
  folder = await temporaryFolder()
})

afterEach(async () => {
  await database.drop()
  await anvil.stop()
  await rm(folder, { recursive: true, force: true })
})

describe('tidemark doctor', () => {
  it('is content where everything is well, and says what each endpoint can do', async () => {
    const { code, findings, text } = await doctor({
      CHAIN_31337_RPC_URL: anvil.rpcUrl,
      CHAIN_31337_WS_URL: anvil.wsUrl,
      CHAIN_31337_TOKENS: world.tokens.map(({ address }) => address).join(','),
      SOLVER_ADDRESSES: world.solvers.join(','),
    })
    expect(code, text).toBe(0)
    expect(findings.filter(({ level }) => level !== 'ok')).toEqual([])
    expect(text).toContain('the schema is up to date')
    expect(text).toContain('it serves the right chain; its head is block')
    expect(text).toContain('it reads thousands of balances in one call')
    expect(text).toContain('it has the whole history (an archive node)')
    expect(text).toContain('it announces new blocks')
    expect(text).toContain('USDC, 6 decimals')
  })

  it('names each thing that is wrong with what to do, and shows no secret', async () => {
    const closed = await freePort()
    const pruned = await startFaultProxy({ target: anvil })
    pruned.inject({ kind: 'no-state-override' })
    try {
      const { code, findings, text } = await doctor({
        CHAIN_31337_RPC_URL: `${pruned.rpcUrl}/v2/${SECRET},http://127.0.0.1:${closed}/v2/${SECRET}`,
        CHAIN_31337_WS_URL: `ws://127.0.0.1:${closed}/ws?key=${SECRET}`,
        CHAIN_31337_TOKENS: `0x${'ab'.repeat(20)}`,
        ETHEREUM_RPC_URL: `${anvil.rpcUrl}/?key=${SECRET}`,
        NOWHERE_RPC_URL: 'https://example.com',
        DATABASE_URL: `postgresql://tidemark:${SECRET}@127.0.0.1:${closed}/tidemark`,
        SOLVER_ADDRESSES: '',
      })
      expect(code, text).toBe(3)
      const problems = findings.filter(({ level }) => level === 'problem')
      expect(problems.map(({ area }) => area).toSorted()).toEqual([
        'database',
        'endpoint',
        'endpoint',
        'endpoint',
        'watch list',
      ])
      for (const { advice } of problems) expect(advice).toBeDefined()
      expect(text).toContain('expected chain id 1, the endpoint serves 31337')
      expect(text).toContain('there is no contract at this address')
      expect(text).toContain('it takes no state overrides')
      expect(text).toContain('NOWHERE_RPC_URL is ignored')
      expect(text).not.toContain(SECRET)
    } finally {
      await pruned.close()
    }
  })
})

async function doctor(
  env: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly findings: readonly Finding[]; readonly text: string }> {
  const service = runService({ args: ['doctor', '--json'], cwd: folder, env: { DATABASE_URL: database.url, ...env } })
  const { code } = await service.exited()
  const lines = service.stdout().trim().split('\n')
  return {
    code,
    findings: lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Finding),
    text: `${service.stdout()}${service.log()}`,
  }
}
