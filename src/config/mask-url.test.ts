import fc from 'fast-check'
import { expect, test } from 'vitest'
import { maskUrl } from './mask-url.js'

test.each([
  ['https://eth.llamarpc.com', 'https://eth.llamarpc.com'],
  ['https://eth.llamarpc.com/', 'https://eth.llamarpc.com'],
  ['http://127.0.0.1:8545', 'http://127.0.0.1:8545'],
  ['http://[::1]:8545/x', 'http://[::1]:8545/…'],
  ['https://arb1.arbitrum.io/rpc', 'https://arb1.arbitrum.io/…'],
  ['https://user:pass@rpc.example:8545', 'https://rpc.example:8545/…'],
  ['https://rpc.example?key=abc', 'https://rpc.example/…'],
  ['https://rpc.example#abc', 'https://rpc.example/…'],
  ['wss://0123456789abcdef0123456789abcdef.eth.rpc.example/', 'wss://….eth.rpc.example'],
  ['postgresql://user:pass@db:5432/name', 'postgresql://db:5432/…'],
  ['postgres://user:123/half@db/name', 'postgres://…'],
  ['https://,rest', 'https://…'],
  ['https:///path', '(not a URL)'],
  ['mongodb://user:pass@a:1,b:2,c:3/name', 'mongodb://a:1/…'],
  ['mongodb+srv://user:pass@cluster.example/name', 'mongodb+srv://cluster.example/…'],
  ['eth-mainnet.example.com/v2/abc', '(not a URL)'],
  ['eth-mainnet.example.com:443/v2/abc', '(not a URL)'],
  ['secret123:https://x', '(not a URL)'],
  ['https://user:pa ss#@host', '(not a URL)'],
  ['', '(not a URL)'],
])('masks %j as %j', (text, masked) => {
  expect(maskUrl(text)).toBe(masked)
})

test('a secret in any part but the host never comes out', () => {
  const secret = 'CANARY'
  const part = fc.stringMatching(/^[a-zA-Z0-9._~!$&'()*+,;=:@/?#%-]{0,8}$/)
  const url = fc
    .tuple(fc.constantFrom('https', 'wss', 'postgres', 'mongodb'), part, part)
    .chain(([scheme, before, after]) =>
      fc.constantFrom(
        `${scheme}://user${before}:${secret}${after}@host.example/x`,
        `${scheme}://host.example/${before}${secret}${after}`,
        `${scheme}://host.example?${before}${secret}${after}`,
        `${scheme}://host.example#${before}${secret}${after}`,
      ),
    )
  fc.assert(
    fc.property(url, (text) => !maskUrl(text).includes(secret) && !maskUrl(text).includes(secret.toLowerCase())),
    { numRuns: 5_000 },
  )
})
