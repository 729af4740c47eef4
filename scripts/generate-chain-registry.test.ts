import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { chainRegistryPath, renderChainRegistry } from './generate-chain-registry.js'

test('the committed table of chains is what the installed viem gives', async () => {
  expect(await readFile(chainRegistryPath, 'utf8')).toBe(await renderChainRegistry())
})
