import { expect, it } from 'vitest'

import { examineConfiguration } from './examine-configuration.js'

const key = { name: 'bot', secretSha256: '0'.repeat(64), scopes: ['read'] } as const

it.each([
  ['127.0.0.1', [], false, null],
  ['0.0.0.0', [key], false, null],
  ['0.0.0.0', [], true, /everyone who reaches 0\.0\.0\.0/],
  ['0.0.0.0', [], false, /others can reach 0\.0\.0\.0.*a start needs a key/],
] as const)(
  'of the host %s with the keys %j, open to all: %s, it says what that means',
  (host, apiKeys, open, said) => {
    const config = { chains: [], solvers: [], host, apiKeys, allowUnauthenticated: open }
    const texts = examineConfiguration(config, []).flatMap(({ text }) => (text.includes(host) ? [text] : []))
    if (said === null) expect(texts).toEqual([])
    else expect(texts).toEqual([expect.stringMatching(said)])
  },
)
