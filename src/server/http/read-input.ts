import type { z } from 'zod'

import { RequestError } from '../../api/request-error.js'

const ISSUES_MAX = 20
const NAME_LENGTH_MAX = 64

/**
 * Reads one part of a request with its schema.
 *
 * @throws {RequestError} `invalid_request`, naming everything that is wrong, up to a limit.
 */
export function readInput<Output>(schema: z.ZodType<Output>, input: unknown): Output {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.slice(0, ISSUES_MAX).flatMap((issue) => {
    const path = issue.path.map(String)
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.slice(0, ISSUES_MAX).map((key) => ({ path: pathText([...path, key]), message: 'unknown name' }))
    }
    return [{ path: pathText(path), message: issue.message }]
  })
  const first = issues[0]
  const where = first === undefined || first.path === '' ? 'request' : first.path
  throw new RequestError('invalid_request', `${where}: ${first?.message ?? 'not valid'}`, { details: { issues } })
}

/** Hostile names are cut, so that they cannot flood an answer. */
function pathText(path: readonly string[]): string {
  return path.map((part) => (part.length > NAME_LENGTH_MAX ? `${part.slice(0, NAME_LENGTH_MAX)}…` : part)).join('.')
}
