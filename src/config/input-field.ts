import type { ChainReference } from './find-chain.js'
import type { Setting } from './settings.js'

/** One setting that somebody made, in the environment or in the configuration file, not checked yet. */
export interface InputField {
  /** What a message calls it: the variable, or the file and the key path. */
  readonly name: string
  readonly setting: Setting
  /** Null for a setting of the whole process. */
  readonly chain: ChainReference | null
  readonly value: unknown
}

/** Settings by {@link inputFieldId}. */
export type InputFields = ReadonlyMap<string, InputField>

/** The place that a setting has whatever its source: the environment's entry replaces the file's. */
export function inputFieldId(chainId: string | null, key: string): string {
  return chainId === null ? key : `chains.${chainId}.${key}`
}
