import { mkdir, mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfigurationError } from '../model/errors.js'
import { loadConfig } from './load-config.js'
import { loadConfigFile } from './load-config-file.js'

let cwd = ''

beforeEach(async () => {
  cwd = await realpath(await mkdtemp(join(tmpdir(), 'tidemark-config-')))
})

afterEach(async () => {
  await rm(cwd, { recursive: true, force: true })
})

async function write(name: string, text: string): Promise<string> {
  const path = join(cwd, name)
  await writeFile(path, text)
  return path
}

async function failureOf(run: Promise<unknown>): Promise<ConfigurationError> {
  const error: unknown = await run.then(
    () => new Error('expected a ConfigurationError, got none'),
    (reason: unknown) => reason,
  )
  if (error instanceof ConfigurationError) return error
  throw error
}

describe('the configuration file', () => {
  test.each([
    ['ts', "import { defineConfig } from 'tidemark'\nconst port: number = 4001\nexport default defineConfig({ port })"],
    ['mts', 'interface Settings { port: number }\nexport default { port: 4001 } satisfies Settings'],
    ['js', 'export default { port: 4001 }'],
    ['mjs', 'export default () => ({ port: 4001 })'],
    ['cjs', 'module.exports = { port: 4001 }'],
    ['json', '\uFEFF{ "port": 4001 }'],
    ['ts', 'export default async () => { await Promise.resolve(); return { port: 4001 } }'],
    ['mjs', "import { defineConfig } from 'tidemark'\nexport default defineConfig({ port: 4001 })"],
    ['js', 'module.exports = async () => ({ port: 4001 })'],
    ['mjs', 'const port = await Promise.resolve(4001)\nexport default { port }'],
  ])('is read as .%s: %j', async (extension, text) => {
    const source = await write(`tidemark.config.${extension}`, text)
    const loaded = await loadConfig({ env: {}, cwd })
    expect(loaded).toMatchObject({ source, warnings: [], config: { port: 4001 } })
    expect(await readdir(cwd)).toEqual([`tidemark.config.${extension}`])
  })

  test('is not needed', async () => {
    const loaded = await loadConfig({ env: { PORT: '5' }, cwd })
    expect(loaded).toMatchObject({ source: null, warnings: [], config: { port: 5, dataDir: join(cwd, '.tidemark') } })
  })

  test('gives way to the environment', async () => {
    await write('tidemark.config.json', '{ "port": 1, "logLevel": "warn" }')
    expect((await loadConfig({ env: { PORT: '2' }, cwd })).config).toMatchObject({ port: 2, logLevel: 'warn' })
  })

  test('is read anew each time', async () => {
    await write('tidemark.config.ts', 'export default { port: 1 }')
    expect((await loadConfig({ env: {}, cwd })).config.port).toBe(1)
    await write('tidemark.config.ts', 'export default { port: 2 }')
    expect((await loadConfig({ env: {}, cwd })).config.port).toBe(2)
  })

  test('is copied nowhere, as it may hold secrets', async () => {
    await write('tidemark.config.ts', 'export default { port: 1 }')
    await loadConfig({ env: {}, cwd })
    const cached = await readdir(join(tmpdir(), 'jiti')).catch(() => [])
    expect(cached.filter((name) => name.includes(basename(cwd)))).toEqual([])
  })

  test('is the one that --config names, else TIDEMARK_CONFIG, else the one in the directory', async () => {
    await mkdir(join(cwd, 'other'))
    await write('tidemark.config.json', '{ "port": 1 }')
    await write('other/two.json', '{ "port": 2, "dataDir": "data" }')
    await write('three.mjs', 'export default { port: 3 }')
    const env = { TIDEMARK_CONFIG: 'other/two.json' }
    expect((await loadConfig({ env, cwd, file: 'three.mjs' })).config.port).toBe(3)
    expect((await loadConfig({ env, cwd })).config).toMatchObject({ port: 2, dataDir: join(cwd, 'other', 'data') })
    expect((await loadConfig({ env: { TIDEMARK_CONFIG: ' ' }, cwd, file: '' })).config.port).toBe(1)
  })

  test('is the first of several, with a warning about the others', async () => {
    const source = await write('tidemark.config.ts', 'export default { port: 1 }')
    const other = await write('tidemark.config.json', '{ "port": 2 }')
    const loaded = await loadConfig({ env: {}, cwd })
    expect(loaded).toMatchObject({ source, config: { port: 1 }, warnings: [`${other} is ignored: ${source} is read`] })
  })
})

describe('a configuration file is refused', () => {
  test.each([
    [
      'when --config names nothing',
      { file: 'none.json' },
      /^--config: expected a file that exists, got ".*none\.json"$/,
    ],
    [
      'when TIDEMARK_CONFIG names nothing',
      { env: { TIDEMARK_CONFIG: 'none.ts' } },
      /^TIDEMARK_CONFIG: expected a file/,
    ],
    [
      'when it is of another kind',
      { file: 'x.yaml' },
      /^--config: expected a file ending in \.ts .*, got ".*x\.yaml"$/,
    ],
    ['when its path has a zero byte', { file: 'a\0b.json' }, /^--config: expected a file that exists/],
  ])('%s', async (_, options, message) => {
    expect((await failureOf(loadConfig({ env: {}, cwd, ...options }))).message).toMatch(message)
  })

  test('when it is a directory', async () => {
    await mkdir(join(cwd, 'x.json'))
    expect((await failureOf(loadConfig({ env: {}, cwd, file: 'x.json' }))).message).toMatch(
      /expected a file that exists/,
    )
  })

  test('when it is larger than a configuration can be', async () => {
    await write('tidemark.config.json', `{}${' '.repeat(1_048_576)}`)
    const { message } = await failureOf(loadConfig({ env: {}, cwd }))
    expect(message).toMatch(/expected a file of at most 1048576 bytes, got .* of 1048578 bytes$/)
  })

  test('when it is not JSON, without a word of what is in it', async () => {
    await write('tidemark.config.json', '{ "databaseUrl": CANARY }')
    const error = await failureOf(loadConfig({ env: {}, cwd }))
    expect(error.message).toMatch(/^tidemark\.config\.json: expected a JSON object, got text that is not JSON/)
    expect(`${error.message}${error.stack}${String(error.cause)}`).not.toContain('CANARY')
  })

  test.each([
    ['throws', "throw new Error('no vault')", 'Error: no vault'],
    ['has a function that throws', "export default () => { throw new Error('no vault') }", 'Error: no vault'],
    ['has a function that rejects', "export default () => Promise.reject(new Error('no vault'))", 'Error: no vault'],
  ])('when it %s, with the reason', async (_, text, cause) => {
    await write('tidemark.config.mjs', text)
    const error = await failureOf(loadConfig({ env: {}, cwd }))
    expect(error.message).toBe(
      'tidemark.config.mjs: expected a file that runs without an error, got an error: no vault',
    )
    expect(String(error.cause)).toBe(cause)
  })

  test('when it cannot be parsed or imports what is not there', async () => {
    const path = await write('tidemark.config.ts', 'export default {{')
    expect((await failureOf(loadConfig({ env: {}, cwd }))).message).toMatch(/^tidemark\.config\.ts: .*, got an error: /)
    await writeFile(path, "import 'a-package-that-is-not-there'\nexport default {}")
    expect((await failureOf(loadConfig({ env: {}, cwd }))).message).toContain('a-package-that-is-not-there')
  })

  test('when its function never ends', async () => {
    const path = await write('tidemark.config.mjs', 'export default () => new Promise(() => {})')
    const { message } = await failureOf(loadConfigFile({ path, name: 'tidemark.config.mjs', timeoutMs: 20 }))
    expect(message).toBe(
      'tidemark.config.mjs: expected settings within 20 ms, got a file that is still working on them',
    )
  })

  test('when it holds something wrong, named by file and key', async () => {
    await mkdir(join(cwd, 'other'))
    const path = await write('other/x.json', '{ "chains": { "ethereum": { "rpcUrl": "ftp://u:CANARY@host/x" } } }')
    const inside = await failureOf(loadConfig({ env: {}, cwd, file: path }))
    expect(inside.message).toMatch(
      /^other\/x\.json: chains\.ethereum\.rpcUrl: expected .*, got ftp:\/\/host\/… \(item 1\)$/,
    )
    const outside = await failureOf(loadConfig({ env: {}, cwd: tmpdir(), file: path }))
    expect(outside.message).toContain('other/x.json: chains.ethereum.rpcUrl: ')
  })

  test.each([
    ['ts', "import { defineConfig } from 'tidemark'\ndefineConfig({ port: 1 })"],
    ['mjs', 'export const port = 1'],
  ])('when it has no default export: %s', async (extension, text) => {
    await write(`tidemark.config.${extension}`, text)
    const { message } = await failureOf(loadConfig({ env: {}, cwd }))
    expect(message).toBe(`tidemark.config.${extension}: expected a default export, got none`)
  })

  test('when it exports no object', async () => {
    await write('tidemark.config.mjs', 'export default () => 5')
    const { message } = await failureOf(loadConfig({ env: {}, cwd }))
    expect(message).toBe('tidemark.config.mjs: expected an object, got (hidden)')
  })
})
