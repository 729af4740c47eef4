import { stat } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import { configurationError } from './configuration-problem.js'
import { describeGiven } from './describe-given.js'

/** Endings of a configuration file, in the order in which they are looked for. */
export const configFileExtensions: readonly string[] = ['.ts', '.mts', '.js', '.mjs', '.cjs', '.json']

const largestFileBytes = 1_048_576

export interface FindConfigFileOptions {
  readonly cwd: string
  /** The file that `--config` names. */
  readonly file?: string | undefined
  /** The file that TIDEMARK_CONFIG names. */
  readonly variable?: string | undefined
}

/** The configuration file to read: the one that was named, else `tidemark.config.*` in the directory, else null. */
export async function findConfigFile(
  options: FindConfigFileOptions,
): Promise<{ path: string | null; warnings: string[] }> {
  const { cwd } = options
  const named = [
    { name: '--config', file: options.file?.trim() ?? '' },
    { name: 'TIDEMARK_CONFIG', file: options.variable?.trim() ?? '' },
  ].find(({ file }) => file !== '')
  if (named !== undefined) return { path: await checkNamedFile(named.name, resolve(cwd, named.file)), warnings: [] }

  const present: string[] = []
  for (const extension of configFileExtensions) {
    const path = resolve(cwd, `tidemark.config${extension}`)
    if ((await fileBytes(path)) !== null) present.push(path)
  }
  const [path = null, ...others] = present
  if (path !== null) await checkNamedFile('tidemark.config.*', path)
  return { path, warnings: others.map((other) => `${other} is ignored: ${path} is read`) }
}

async function checkNamedFile(name: string, path: string): Promise<string> {
  const bytes = path.includes('\0') ? null : await fileBytes(path)
  const given = describeGiven(path, 'text')
  if (!configFileExtensions.includes(extname(path))) {
    throw configurationError([{ name, expected: `a file ending in ${configFileExtensions.join(' ')}`, given }])
  }
  if (bytes === null) throw configurationError([{ name, expected: 'a file that exists', given }])
  if (bytes > largestFileBytes) {
    const expected = `a file of at most ${largestFileBytes} bytes`
    throw configurationError([{ name, expected, given: `${given} of ${bytes} bytes` }])
  }
  return path
}

async function fileBytes(path: string): Promise<number | null> {
  try {
    const status = await stat(path)
    return status.isFile() ? status.size : null
  } catch {
    // Not there, or in a directory that may not be read: either way there is nothing to load.
    return null
  }
}
