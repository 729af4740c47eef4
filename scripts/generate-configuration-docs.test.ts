import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { configurationDocsPath, renderConfigurationDocs } from './generate-configuration-docs.js'

test('the committed page of settings is what the table of settings gives', async () => {
  expect(await readFile(configurationDocsPath, 'utf8')).toBe(await renderConfigurationDocs())
})
