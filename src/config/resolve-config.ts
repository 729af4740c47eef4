import type { Config } from './config.js'
import { configSchema } from './config-schema.js'
import { configurationError } from './configuration-problem.js'
import type { ChainReference } from './find-chain.js'
import { fillDefaults } from './fill-defaults.js'
import { type InputField, type InputFields, inputFieldId } from './input-field.js'
import { issueProblem } from './issue-problem.js'
import { type Environment, readEnvironment } from './read-environment.js'
import { type FileInput, readFileInput } from './read-file-input.js'

export interface ResolveConfigOptions {
  readonly env: Environment
  /** Directory that relative paths in the environment start at. */
  readonly cwd: string
  readonly file?: FileInput | undefined
}

/**
 * Merges the environment over a configuration file, checks the whole and fills in the defaults.
 *
 * @throws ConfigurationError with every problem that was found
 */
export function resolveConfig({ env, cwd, file }: ResolveConfigOptions): { config: Config; warnings: string[] } {
  const environment = readEnvironment(env, cwd)
  const fileReading = file === undefined ? null : readFileInput(file)
  const merged = new Map([...(fileReading?.fields ?? []), ...environment.fields])
  const warnings = [...environment.warnings, ...dropUnusedChains(merged)]
  const problems = [...environment.problems, ...(fileReading?.problems ?? [])]
  const checked = configSchema.safeParse(nest(merged), { reportInput: true })
  if (!checked.success) problems.push(...checked.error.issues.map((issue) => issueProblem(issue, merged)))
  if (problems.length > 0 || !checked.success) throw configurationError(problems)
  return { config: fillDefaults(checked.data, { cwd, fields: merged }), warnings }
}

/**
 * A name or an interval without endpoints follows no chain, and `BASE_NAME` may belong to another program: told, and
 * left out. Endpoints and tokens can only be meant for us, so there the missing URL is reported by the schema.
 */
function dropUnusedChains(fields: Map<string, InputField>): string[] {
  const warnings: string[] = []
  for (const { id } of chainsOf(fields).values()) {
    const has = (key: string): boolean => fields.has(inputFieldId(id, key))
    if (has('rpcUrl') || has('wsUrl') || has('tokens')) continue
    for (const [fieldId, field] of fields) {
      if (field.chain?.id !== id) continue
      warnings.push(`${field.name} is ignored: chain ${id} has no RPC URL`)
      fields.delete(fieldId)
    }
  }
  return warnings
}

function chainsOf(fields: InputFields): Map<string, ChainReference> {
  const chains = new Map<string, ChainReference>()
  for (const { chain } of fields.values()) if (chain !== null) chains.set(chain.id, chain)
  return chains
}

/** The merged settings in the shape of a configuration file. */
function nest(fields: InputFields): unknown {
  const ofProcess: Record<string, unknown> = {}
  const chains: Record<string, Record<string, unknown>> = {}
  for (const { chain, setting, value } of fields.values()) {
    if (chain === null) ofProcess[setting.key] = value
    else (chains[chain.id] ??= {})[setting.key] = value
  }
  return { ...ofProcess, chains }
}
