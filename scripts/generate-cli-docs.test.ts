import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { cliDocsPath, renderCliDocs } from './generate-cli-docs.js'

test('the committed page of commands is what their help says', async () => {
  expect(await readFile(cliDocsPath, 'utf8')).toBe(await renderCliDocs())
})
