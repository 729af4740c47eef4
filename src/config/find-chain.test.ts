import { describe, expect, test } from 'vitest'
import { toChainKey } from './chain-key.js'
import { chainAliases, chainRegistry } from './chain-registry.js'
import { chainKeys, findChainById, findChainByName } from './find-chain.js'
import { nearestName } from './nearest-name.js'

describe('chain names', () => {
  test.each([
    ['ETHEREUM', '1'],
    ['OPTIMISM', '10'],
    ['POLYGON', '137'],
    ['BASE', '8453'],
    ['ARBITRUM', '42161'],
    ['MAINNET', '1'],
    ['MATIC', '137'],
    ['arbitrumNova', '42170'],
    ['arbitrum-nova', '42170'],
    ['ARBITRUM_NOVA', '42170'],
    ['zkSync', '324'],
    ['ZKSYNC', '324'],
  ])('%s is chain %s', (name, id) => {
    expect(findChainByName(name)?.id).toBe(id)
  })

  test.each(['', 'ETHERIUM', '__proto__', 'constructor', '1'])('%j is no chain', (name) => {
    expect(findChainByName(name)).toBeNull()
  })

  test.each([
    ['arbitrumNova', 'ARBITRUM_NOVA'],
    ['opBNBTestnet', 'OP_BNB_TESTNET'],
    ['confluxESpace', 'CONFLUX_E_SPACE'],
    ['b3Sepolia', 'B3_SEPOLIA'],
    ['inEVM', 'IN_EVM'],
    ['BASE_SEPOLIA', 'BASE_SEPOLIA'],
  ])('%s has the prefix %s', (name, key) => {
    expect(toChainKey(name)).toBe(key)
  })

  test('every prefix reads back as itself', () => {
    expect(chainKeys.filter((key) => findChainByName(key)?.facts?.key !== key)).toEqual([])
  })

  test('a name that shares its id with another chain keeps its own facts', () => {
    expect(findChainByName('WANCHAIN_TESTNET')).toMatchObject({ id: '999', facts: { symbol: 'WANt' } })
    expect(findChainById('999')).toMatchObject({ facts: { key: 'HYPER_EVM', symbol: 'HYPE' } })
  })

  test('the table has one entry per id, and no alias of a chain that is not in it', () => {
    const ids = chainRegistry.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(chainAliases.filter(({ id }) => !ids.includes(id))).toEqual([])
  })
})

describe('chain ids', () => {
  test('a known id brings its facts, an unknown one none', () => {
    expect(findChainById('1')).toMatchObject({ id: '1', facts: { name: 'Ethereum', blockTimeMs: 12_000 } })
    expect(findChainById('31338')).toEqual({ id: '31338', facts: null })
    expect(findChainById('9223372036854775771')).toEqual({ id: '9223372036854775771', facts: null })
  })

  test.each(['0', '01', '-1', '1.5', '0x1', '', '9223372036854775772', '99999999999999999999'])(
    '%j cannot be a chain id',
    (digits) => {
      expect(findChainById(digits)).toBeNull()
    },
  )
})

describe('suggestions', () => {
  test.each([
    ['ETHERIUM', 'ETHEREUM'],
    ['etherum', 'ETHEREUM'],
    ['ARBITRIUM', 'ARBITRUM'],
    ['OPTIMSIM', 'OPTIMISM'],
    ['BSE', 'BASE'],
    ['SOMETHING_ELSE', null],
    ['ETHEREUM'.repeat(10), null],
  ])('for %s: %s', (name, nearest) => {
    expect(nearestName(name, ['POLYGON', 'BASE', 'ETHEREUM', 'ARBITRUM', 'OPTIMISM'])).toBe(nearest)
  })
})
