import { expect, it } from 'vitest'

import { hasKeyInUrl } from './key-in-url.js'

it.each([
  '/api/chains?token=abc',
  '/api/chains?limit=1&API_KEY=abc',
  '/api/chains?x-api-key',
  '/api/chains?%74oken=abc',
  '/api/socket.io/?EIO=4&transport=websocket&access_token=abc',
  `/api/chains?whatever=tm_${'aB3-_'.repeat(8)}xyz`,
])('finds a key in %s', (url) => {
  expect(hasKeyInUrl(url)).toBe(true)
})

it.each([
  undefined,
  '/api/chains',
  '/api/chains?',
  '/api/balances?tokenAddress=0xabc&chainId=1',
  '/api/socket.io/?EIO=4&transport=polling&t=abc123&sid=zzz',
  '/api/balances/1/native/0xtoken?block=token',
])('finds none in %s', (url) => {
  expect(hasKeyInUrl(url)).toBe(false)
})
