import { describe, expect, it } from 'vitest'

import { isSupported } from './is-supported.js'
import { BlockUnavailableError, EmptyAnswerError, MalformedAnswerError, NodeError } from './rpc-errors.js'

/** Tries a form whose answers come in this order; each outcome is what is concluded, or thrown. */
async function tries(...answers: readonly (boolean | Error)[]): Promise<(boolean | string)[]> {
  const session = { memory: new Map<string, unknown>() }
  const left = [...answers]
  const outcomes: (boolean | string)[] = []
  while (left.length > 0) {
    const attempt = (): Promise<boolean> => {
      const answer = left.shift()
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer ?? false)
    }
    outcomes.push(await isSupported(session, 'a form', attempt).catch(() => 'thrown'))
  }
  return outcomes
}

const spoilt = new MalformedAnswerError('nonsense')
const empty = new EmptyAnswerError('nothing')

describe('what an endpoint supports', () => {
  it('is not decided by one spoilt answer, only by several in a row', async () => {
    expect(await tries(spoilt, true)).toEqual(['thrown', true])
    expect(await tries(spoilt, spoilt, spoilt, spoilt)).toEqual(['thrown', 'thrown', 'thrown', false])
    expect(await tries(spoilt, spoilt, spoilt, true, spoilt)).toEqual(['thrown', 'thrown', 'thrown', true, 'thrown'])
  })

  it('is denied by an error of its own, and by an empty answer that comes twice', async () => {
    expect(await tries(new NodeError('too many arguments', -32_602))).toEqual([false])
    expect(await tries(empty, empty)).toEqual([false])
    expect(await tries(empty, true)).toEqual([true])
  })

  it('is not decided by a block that the endpoint lacks', async () => {
    expect(await tries(new BlockUnavailableError('unknown block'), true)).toEqual(['thrown', true])
  })
})
