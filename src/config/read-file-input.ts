import { dirname, resolve } from 'node:path'
import type { ConfigurationProblem } from './configuration-problem.js'
import { describeGiven } from './describe-given.js'
import { type ChainReference, chainKeys, findChainById, findChainByName } from './find-chain.js'
import { type InputField, inputFieldId } from './input-field.js'
import { nearestName } from './nearest-name.js'
import { chainSettings, processSettings } from './settings.js'

/** What a configuration file, or a host program, passes. */
export interface FileInput {
  /** What messages call it. */
  readonly name: string
  /** Absolute; relative paths within start at its directory. */
  readonly path: string
  readonly value: unknown
}

/** What a configuration file sets. */
export interface FileReading {
  readonly fields: ReadonlyMap<string, InputField>
  readonly problems: readonly ConfigurationProblem[]
}

const settingByKey = new Map(processSettings.map((setting) => [setting.key, setting]))
const chainSettingByKey = new Map(chainSettings.map((setting) => [setting.key, setting]))

/** Sorts the keys of a configuration file into settings; the values are checked later, with the environment's. */
export function readFileInput(file: FileInput): FileReading {
  const fields = new Map<string, InputField>()
  const problems: ConfigurationProblem[] = []
  const entries = entriesOf(file.value)
  if (entries === null) {
    problems.push({ name: file.name, expected: 'an object', given: describeGiven(file.value, 'hidden') })
    return { fields, problems }
  }
  for (const [key, value] of entries) {
    const name = `${file.name}: ${keyText(key)}`
    const setting = settingByKey.get(key)
    if (key === 'chains') readChains({ name, value, fields, problems })
    else if (setting === undefined) problems.push(unknownKey(name, key, ['chains', ...settingByKey.keys()]))
    else if (value !== undefined) {
      const located = key === 'dataDir' ? resolveBeside(file.path, value) : value
      fields.set(inputFieldId(null, key), { name, setting, chain: null, value: located })
    }
  }
  return { fields, problems }
}

interface Reading {
  readonly name: string
  readonly value: unknown
  readonly fields: Map<string, InputField>
  readonly problems: ConfigurationProblem[]
}

function readChains({ name, value, fields, problems }: Reading): void {
  if (value === undefined) return
  const entries = entriesOf(value)
  if (entries === null) {
    problems.push({ name, expected: 'an object of chains by name or id', given: describeGiven(value, 'hidden') })
    return
  }
  const keyByChain = new Map<string, string>()
  for (const [key, chainValue] of entries) {
    const chainName = `${name}.${keyText(key)}`
    const chain = /^\d+$/.test(key) ? findChainById(key) : findChainByName(key)
    const firstKey = chain === null ? undefined : keyByChain.get(chain.id)
    if (chain === null) {
      const expected = `a chain's name or id${suggestion(key, chainKeys)}`
      problems.push({ name: chainName, expected, given: 'an unknown chain' })
    } else if (firstKey !== undefined) {
      const expected = `one entry for chain ${chain.id}`
      problems.push({ name: chainName, expected, given: `another one, ${keyText(firstKey)}` })
    } else {
      keyByChain.set(chain.id, key)
      readChain({ name: chainName, value: chainValue, fields, problems }, chain)
    }
  }
}

function readChain({ name, value, fields, problems }: Reading, chain: ChainReference): void {
  const entries = entriesOf(value)
  if (entries === null) {
    problems.push({ name, expected: 'an object', given: describeGiven(value, 'hidden') })
    return
  }
  // A chain in the file without endpoints is a mistake, unless the environment has them: so the gap itself is kept.
  for (const [key, settingValue] of [['rpcUrl', undefined] as const, ...entries]) {
    const setting = chainSettingByKey.get(key)
    const fieldName = `${name}.${keyText(key)}`
    if (setting === undefined) problems.push(unknownKey(fieldName, key, chainSettingByKey.keys()))
    else if (settingValue !== undefined || key === 'rpcUrl') {
      fields.set(inputFieldId(chain.id, key), { name: fieldName, setting, chain, value: settingValue })
    }
  }
}

function unknownKey(name: string, key: string, known: Iterable<string>): ConfigurationProblem {
  return { name, expected: `a known key${suggestion(key, known)}`, given: 'an unknown one' }
}

function suggestion(name: string, known: Iterable<string>): string {
  const nearest = nearestName(name, known)
  return nearest === null ? '' : ` (did you mean ${nearest}?)`
}

/** A key as it stands in a path, unless it is so odd that it could pass for something else. */
function keyText(key: string): string {
  return /^[\w$-]{1,64}$/.test(key) ? key : JSON.stringify(key.slice(0, 64))
}

function resolveBeside(path: string, value: unknown): unknown {
  return typeof value === 'string' && value.trim() !== '' ? resolve(dirname(path), value.trim()) : value
}

function entriesOf(value: unknown): [string, unknown][] | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : null
}
