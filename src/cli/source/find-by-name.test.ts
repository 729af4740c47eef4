import { describe, expect, it } from 'vitest'

import type { WireSolver, WireWatchedToken } from '../../client/index.js'
import type { Directory } from './directory.js'
import { findChain, findSolver, findTokens } from './find-by-name.js'

const hot = '0x742d35cC8eBB5295b999c084b9dD5bf7A93f6C4b'
const cold = '0xa0b86a33e6441E6F9Bf0e74e8f48dc45D07D3e9b'
const usdc = '0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48'
const fake = '0x6B175474E89094C44Da98b954EedeAC495271d0F'

const directory: Directory = {
  chains: [
    { chainId: '1', name: 'Ethereum', processed: '1' },
    { chainId: '8453', name: 'My Base', processed: null },
  ],
  solvers: [solver(hot, 'hot'), solver(cold, null), solver(usdc, 'twin'), solver(fake, 'Twin')],
  tokens: new Map([
    ['1', [token('1', usdc, 'USDC'), token('1', fake, 'usdc'), token('1', hot, 'ETH'), token('1', cold, 'DAI')]],
    ['8453', [token('8453', usdc, 'USDC'), token('8453', fake, undefined)]],
  ]),
  nativeSymbol: async () => 'ETH',
}

function solver(address: string, label: string | null): WireSolver {
  return { address, label, origin: 'config' }
}

function token(chainId: string, tokenAddress: string, tokenSymbol: string | undefined): WireWatchedToken {
  return { chainId, tokenAddress, origin: 'config', ...(tokenSymbol === undefined ? {} : { tokenSymbol }) }
}

const chainAt = (index: number): Directory['chains'][number] =>
  directory.chains[index] ?? { chainId: '', name: '', processed: null }

describe('findChain', () => {
  it.each([
    ['1', '1'],
    ['ethereum', '1'],
    [' my base ', '8453'],
    ['base', '8453'],
    ['8453', '8453'],
  ])('finds %j as chain %s, by id, own name and well-known name', (text, chainId) => {
    expect(findChain(directory, text).chainId).toBe(chainId)
  })

  it.each(['10', 'optimism', '', '01', '\u001b[31m'])('refuses %j and names what is followed', (text) => {
    expect(() => findChain(directory, text)).toThrow(
      expect.objectContaining({
        code: 'configuration',
        hint: 'Followed are Ethereum (1), My Base (8453).',
        message: expect.not.stringMatching('\u001b') as unknown,
      }) as Error,
    )
  })
})

describe('findSolver', () => {
  it('finds a label in any letter case, and takes any address as it is', () => {
    expect(findSolver(directory, 'HOT')).toBe(hot)
    expect(findSolver(directory, cold.toLowerCase())).toBe(cold)
    expect(findSolver({ solvers: [] }, hot.toUpperCase().replace('0X', '0x'))).toBe(hot)
  })

  it('refuses a label that two wallets have, and names them', () => {
    expect(() => findSolver(directory, 'twin')).toThrow(
      expect.objectContaining({ hint: `They are ${usdc}, ${fake}.` }) as Error,
    )
    expect(() => findSolver(directory, 'nobody')).toThrow(/got "nobody"/)
  })
})

describe('findTokens', () => {
  it('finds one of each chain by symbol, native or address', async () => {
    expect(await findTokens(directory, 'native', null)).toEqual([
      { chainId: '1', token: 'native' },
      { chainId: '8453', token: 'native' },
    ])
    expect(await findTokens(directory, 'dai', null)).toEqual([{ chainId: '1', token: cold }])
    expect(await findTokens(directory, 'USDC', chainAt(1))).toEqual([{ chainId: '8453', token: usdc }])
    expect(await findTokens(directory, 'eth', chainAt(1))).toEqual([{ chainId: '8453', token: 'native' }])
    expect(await findTokens(directory, fake.toLowerCase(), chainAt(0))).toEqual([{ chainId: '1', token: fake }])
  })

  it('refuses a symbol that two tokens of a chain have, be it the chain’s own', async () => {
    await expect(findTokens(directory, 'USDC', null)).rejects.toMatchObject({ hint: `They are ${usdc}, ${fake}.` })
    await expect(findTokens(directory, 'ETH', chainAt(0))).rejects.toMatchObject({ hint: `They are native, ${hot}.` })
    await expect(findTokens(directory, 'GOLD', chainAt(1))).rejects.toMatchObject({
      message: 'token: expected "native", an address, or the symbol of a watched token, got "GOLD"',
      hint: `Watched are USDC (${usdc}).`,
    })
  })
})
