import type { z } from 'zod'
import type { ConfigurationProblem } from './configuration-problem.js'
import { describeGiven } from './describe-given.js'
import { type InputField, type InputFields, inputFieldId } from './input-field.js'
import { chainSettings, processSettings, settingLimits } from './settings.js'

/** Tells an issue of the schema in the words of the setting it is about. */
export function issueProblem(issue: z.core.$ZodIssue, fields: InputFields): ConfigurationProblem {
  const [first, second, third] = issue.path.map(String)
  const isOfChain = first === 'chains' && second !== undefined
  const chainId = isOfChain ? second : null
  const key = (isOfChain ? third : first) ?? 'chains'
  if (key === 'chains') {
    const expected = `at most ${settingLimits.chains} chains`
    return { name: 'chains', expected, given: describeGiven(issue.input, 'hidden') }
  }
  const field = fields.get(inputFieldId(chainId, key))
  const setting = field?.setting ?? (isOfChain ? chainSettings : processSettings).find((known) => known.key === key)
  const params: Readonly<Record<string, unknown>> = issue.code === 'custom' ? (issue.params ?? {}) : {}
  const item = issue.path[isOfChain ? 3 : 1]
  const given =
    typeof params['given'] === 'string' ? params['given'] : describeGiven(issue.input, setting?.shown ?? 'hidden')
  return {
    name: field?.name ?? missingName(chainId, key, fields),
    expected: typeof params['expected'] === 'string' ? params['expected'] : (setting?.expected ?? 'a known setting'),
    given: `${given}${typeof item === 'number' ? ` (item ${item + 1})` : ''}${reasonFor(chainId, field, fields)}`,
  }
}

/** Only a chain's endpoints are required, so only they can be missing: named beside what needs them. */
function missingName(chainId: string | null, key: string, fields: InputFields): string {
  const sibling = [...fields.values()].find(({ chain }) => chainId !== null && chain?.id === chainId)
  const suffix = sibling?.setting.variable
  if (sibling === undefined || suffix === undefined || !sibling.name.endsWith(`_${suffix}`)) return key
  return `${sibling.name.slice(0, -suffix.length)}${chainSettings.find((known) => known.key === key)?.variable ?? key}`
}

function reasonFor(chainId: string | null, field: InputField | undefined, fields: InputFields): string {
  if (chainId === null || (field !== undefined && field.value !== undefined)) return ''
  const siblings = [...fields.values()].filter(({ chain, value }) => chain?.id === chainId && value !== undefined)
  return siblings.length === 0 ? '' : `, while ${siblings.map(({ name }) => name).join(', ')} is set`
}
