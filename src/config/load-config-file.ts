import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { extname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createJiti } from 'jiti'
import { ConfigurationError, messageOf } from '../model/errors.js'
import { configurationError } from './configuration-problem.js'
import { defineConfig } from './define-config.js'

const longestLoadMs = 30_000
const longestReason = 300

export interface LoadConfigFileOptions {
  readonly path: string
  /** What messages call the file. */
  readonly name: string
  readonly timeoutMs?: number | undefined
}

/**
 * What a configuration file exports, not checked yet. A function is called and awaited.
 *
 * @throws ConfigurationError when the file cannot be read, run or finished in time
 */
export async function loadConfigFile({
  path,
  name,
  timeoutMs = longestLoadMs,
}: LoadConfigFileOptions): Promise<unknown> {
  if (extname(path) === '.json') return parseJson(await readText(path, name), name)
  const watch = new AbortController()
  try {
    return await Promise.race([runFile(path, name), failLater({ name, timeoutMs, signal: watch.signal })])
  } finally {
    watch.abort()
  }
}

async function runFile(path: string, name: string): Promise<unknown> {
  try {
    const jiti = createJiti(path, {
      fsCache: false,
      moduleCache: false,
      // Without a default export the whole module would pass for one, and a forgotten "export" for no settings at all.
      interopDefault: false,
      virtualModules: virtualModulesFor(path),
    })
    const exports = await jiti.import<object>(path)
    if (!('default' in exports)) {
      throw configurationError([{ name, expected: 'a default export', given: 'none' }])
    }
    return typeof exports.default === 'function' ? await exports.default() : exports.default
  } catch (error) {
    if (error instanceof ConfigurationError) throw error
    const reason = messageOf(error).split('\n')[0] ?? ''
    const given = `an error: ${reason.slice(0, longestReason)}`
    throw configurationError([{ name, expected: 'a file that runs without an error', given }], error)
  }
}

/**
 * A file beside a global installation, or in a container, cannot resolve our package by name: `defineConfig` is there
 * all the same. Where the package resolves, the file gets the real one.
 */
function virtualModulesFor(path: string): Record<string, unknown> {
  try {
    createRequire(path).resolve('tidemark')
    return {}
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND'
    return isMissing ? { tidemark: { defineConfig } } : {}
  }
}

async function failLater({
  name,
  timeoutMs,
  signal,
}: {
  name: string
  timeoutMs: number
  signal: AbortSignal
}): Promise<never> {
  await delay(timeoutMs, undefined, { signal })
  throw configurationError([
    { name, expected: `settings within ${timeoutMs} ms`, given: 'a file that is still working on them' },
  ])
}

async function readText(path: string, name: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const given = `an error: ${messageOf(error)}`
    throw configurationError([{ name, expected: 'a file that can be read', given }], error)
  }
}

function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    // The parser's own message quotes the file, which may hold secrets: only the place is told, and no cause kept.
    const position = /at position (\d+)/.exec(messageOf(error))?.[1]
    const given = `text that is not JSON${position === undefined ? '' : `, at character ${position}`}`
    throw configurationError([{ name, expected: 'a JSON object', given }])
  }
}
