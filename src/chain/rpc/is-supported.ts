import type { EndpointSession } from './rpc-client.js'
import { EmptyAnswerError, MalformedAnswerError, NodeError } from './rpc-errors.js'

/** So many answers in a row that are nonsense are the endpoint's way of saying that it cannot do it. */
const MALFORMED_MAX = 4
const MEMORY_KEY = 'malformed answers to probes'

/**
 * Whether an endpoint supports a form of asking. An error of the node's own says no, and so does an empty answer that is
 * repeated. Other nonsense says so only after several times: one spoilt answer must not lead to a way of reading that
 * proves less.
 *
 * @param form the name under which spoilt answers in a row are counted
 * @param attempt true when what came is what the form promises
 * @throws {MalformedAnswerError} until the endpoint has answered with nonsense often enough
 */
export async function isSupported(
  session: Pick<EndpointSession, 'memory'>,
  form: string,
  attempt: () => Promise<boolean>,
): Promise<boolean> {
  const counts = (session.memory.get(MEMORY_KEY) as Map<string, number> | undefined) ?? new Map<string, number>()
  session.memory.set(MEMORY_KEY, counts)
  try {
    const supported = await twiceIfEmpty(attempt)
    counts.delete(form)
    return supported
  } catch (error) {
    const isNonsense = error instanceof MalformedAnswerError && !(error instanceof EmptyAnswerError)
    const count = (counts.get(form) ?? 0) + 1
    if (isNonsense && count < MALFORMED_MAX) counts.set(form, count)
    else counts.delete(form)
    if (error instanceof NodeError || error instanceof EmptyAnswerError) return false
    if (isNonsense && count >= MALFORMED_MAX) return false
    throw error
  }
}

/** One empty answer may be an accident. */
async function twiceIfEmpty(attempt: () => Promise<boolean>): Promise<boolean> {
  try {
    return await attempt()
  } catch (error) {
    if (!(error instanceof EmptyAnswerError)) throw error
    return attempt()
  }
}
