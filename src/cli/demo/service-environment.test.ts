import { afterEach, expect, it, vi } from 'vitest'

import { loadConfig } from '../../config/load-config.js'
import { parseAddress } from '../../index.js'
import type { Address } from '../../index.js'
import { serviceEnvironment } from './service-environment.js'

function address(digit: string): Address {
  const parsed = parseAddress(`0x${digit.repeat(40)}`)
  if (parsed === null) throw new Error('expected an address')
  return parsed
}

const options = {
  host: '127.0.0.1',
  port: 3917,
  dataDir: '/nowhere/data',
  solvers: [{ label: 'hot-1', address: address('a') }],
  chains: [
    {
      chainId: 31_338n,
      name: 'Estuary',
      nativeSymbol: 'POL',
      rpcUrl: 'http://127.0.0.1:8545',
      wsUrl: 'ws://127.0.0.1:8545',
      tokens: [address('b'), address('c')],
    },
  ],
}

afterEach(() => vi.unstubAllEnvs())

it('is a complete configuration by itself', async () => {
  const { config, warnings } = await loadConfig({ env: serviceEnvironment(options), cwd: '/' })
  expect(warnings).toEqual([])
  expect(config).toMatchObject({ host: '127.0.0.1', port: 3917, dataDir: '/nowhere/data', databaseUrl: null })
  expect(config.solvers).toEqual([{ address: address('a'), label: 'hot-1' }])
  expect(config.chains).toEqual([
    expect.objectContaining({ chainId: 31_338n, name: 'Estuary', tokens: [address('b'), address('c')] }),
  ])
})

it('takes nothing over from the settings of the user', () => {
  for (const name of ['DATABASE_URL', 'MONGODB_URL', 'ETHEREUM_RPC_URL', 'API_KEYS', 'PGHOST', 'NODE_OPTIONS']) {
    vi.stubEnv(name, 'stranger')
  }
  expect(Object.values(serviceEnvironment(options))).not.toContain('stranger')
})
