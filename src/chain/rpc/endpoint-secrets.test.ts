import { describe, expect, it } from 'vitest'

import { EndpointSecrets } from './endpoint-secrets.js'

const key = 'k3yk3yk3yk3yk3y'

describe('EndpointSecrets', () => {
  it.each([
    `https://eth.example.com/v2/${key}`,
    `https://eth.example.com/${key}/mainnet?x=1`,
    `https://eth.example.com/rpc?apikey=${key}`,
    `https://user:${key}@eth.example.com/`,
    `https://${key}@eth.example.com:8545/`,
    `wss://eth.example.com/ws/${key}/`,
  ])('keeps the key of %s out of any text', (url) => {
    const secrets = new EndpointSecrets(url)
    expect(secrets.host).not.toContain(key)
    for (const text of [
      url,
      `fetch failed: ${url}`,
      `no such path ${new URL(url).pathname}${new URL(url).search}`,
      `key ${key} is spent`,
    ]) {
      expect(secrets.clean(text)).not.toContain(key)
    }
  })

  it('knows a key in its encoded and its plain spelling', () => {
    const secrets = new EndpointSecrets('https://u:p%40ssw%C3%B6rd@eth.example.com/a%20secret%20path')
    expect(secrets.clean('p%40ssw%C3%B6rd p@sswörd a%20secret%20path a secret path')).toBe('*** *** *** ***')
  })

  it('knows credentials in the spelling of their header', () => {
    const secrets = new EndpointSecrets('https://user:p%40ssw%C3%B6rd@eth.example.com/')
    const header = `Basic ${Buffer.from('user:p@sswörd').toString('base64')}`
    expect(secrets.clean(`refused: ${header}`)).toBe('refused: Basic ***')
  })

  it('leaves other text alone, in one line of bounded length', () => {
    const secrets = new EndpointSecrets(`https://eth.example.com/v2/${key}`)
    expect(secrets.clean('connect\r\nECONNREFUSED\u0007\u001b[31m')).toBe('connect ECONNREFUSED [31m')
    expect(secrets.clean('x'.repeat(1000))).toHaveLength(300)
  })
})
