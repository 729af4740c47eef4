import { resolve } from 'node:path'
import type { ConfigurationProblem } from './configuration-problem.js'
import { type ChainReference, chainKeys, findChainById, findChainByName } from './find-chain.js'
import { type InputField, inputFieldId } from './input-field.js'
import { nearestName } from './nearest-name.js'
import { chainSettings, processSettings, type Setting } from './settings.js'

/** Environment variables, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

/** What the environment sets. */
export interface EnvironmentReading {
  readonly fields: ReadonlyMap<string, InputField>
  readonly problems: readonly ConfigurationProblem[]
  readonly warnings: readonly string[]
}

/** Finds our settings among all variables. Values are trimmed, and an empty one counts as not set. */
export function readEnvironment(env: Environment, cwd: string): EnvironmentReading {
  const fields = new Map<string, InputField>()
  for (const setting of processSettings) {
    const text = trimmed(env[setting.variable])
    if (text === null) continue
    const value = setting.key === 'dataDir' ? resolve(cwd, text) : fromText(text, setting)
    fields.set(inputFieldId(null, setting.key), { name: setting.variable, setting, chain: null, value })
  }
  return { fields, ...readChainVariables(env, fields) }
}

function readChainVariables(
  env: Environment,
  fields: Map<string, InputField>,
): Pick<EnvironmentReading, 'problems' | 'warnings'> {
  const problems: ConfigurationProblem[] = []
  const warnings: string[] = []
  const firstUseByChain = new Map<string, { prefix: string; name: string }>()
  for (const name of Object.keys(env).toSorted()) {
    const variable = splitChainVariable(name)
    const text = trimmed(env[name])
    if (variable === null || text === null) continue
    const { prefix, setting } = variable
    const chain = findChainByPrefix(prefix)
    if (chain === null) {
      if (/^CHAIN_\d+$/.test(prefix))
        problems.push({ name, expected: 'a chain id that can exist', given: JSON.stringify(prefix) })
      else if (setting.key === 'rpcUrl' || setting.key === 'wsUrl')
        warnings.push(warnUnknownChain(name, prefix, setting))
      continue
    }
    const firstUse = firstUseByChain.get(chain.id) ?? { prefix, name }
    firstUseByChain.set(chain.id, firstUse)
    if (firstUse.prefix !== prefix) {
      problems.push({ name: `${firstUse.name} and ${name}`, expected: `one name for chain ${chain.id}`, given: 'two' })
    } else {
      fields.set(inputFieldId(chain.id, setting.key), { name, setting, chain, value: fromText(text, setting) })
    }
  }
  return { problems, warnings }
}

function splitChainVariable(name: string): { prefix: string; setting: Setting } | null {
  for (const setting of chainSettings) {
    const suffix = `_${setting.variable}`
    if (name.length > suffix.length && name.endsWith(suffix)) return { prefix: name.slice(0, -suffix.length), setting }
  }
  return null
}

function findChainByPrefix(prefix: string): ChainReference | null {
  // Variables are upper case: `base_NAME` is somebody else's.
  if (!/^[A-Z][A-Z0-9_]*$/.test(prefix)) return null
  const digits = /^CHAIN_(\d+)$/.exec(prefix)?.[1]
  return digits === undefined ? findChainByName(prefix) : findChainById(digits)
}

function warnUnknownChain(name: string, prefix: string, setting: Setting): string {
  const nearest = nearestName(prefix, chainKeys)
  const advice =
    nearest === null
      ? 'use CHAIN_<id>_… for a chain without a known name'
      : `did you mean ${nearest}_${setting.variable}?`
  return `${name} is ignored: no chain is known by that name; ${advice}`
}

function trimmed(text: string | undefined): string | null {
  const value = text?.trim()
  return value === undefined || value === '' ? null : value
}

/** A text that has not the form of the kind stays a text, which the schema then refuses. */
function fromText(text: string, setting: Setting): unknown {
  switch (setting.kind) {
    case 'text':
      return text
    case 'integer':
      return /^-?\d{1,15}$/.test(text) ? Number(text) : text
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text
  }
}
