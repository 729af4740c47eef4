import { describe, expect, it } from 'vitest'

import { RetryableError, TidemarkError } from '../model/errors.js'
import { toErrorAnswer, wireErrorSchema } from './error-answer.js'
import { errorStatus } from './error-codes.js'
import type { ErrorCode } from './error-codes.js'
import { RequestError } from './request-error.js'

class SecretError extends TidemarkError {
  readonly code = 'something_inner'
}

class AwayError extends RetryableError {
  readonly code = 'database_unavailable'
}

class BusyError extends RetryableError {
  readonly code = 'overloaded'
  readonly retryAfterMs = 2500
}

describe('toErrorAnswer', () => {
  it.each(Object.keys(errorStatus) as ErrorCode[])('answers %s with its status and message', (code) => {
    const answer = toErrorAnswer(new RequestError(code, 'said to the caller'))
    expect(answer).toMatchObject({
      status: errorStatus[code],
      body: { success: false, error: 'said to the caller', code },
    })
    expect(wireErrorSchema.parse(answer.body)).toEqual(answer.body)
  })

  it.each([
    ['an error of another kind', new Error('postgres://user:secret@host')],
    [
      'one of ours with a code of its own',
      new SecretError('postgres://user:secret@host', { details: { url: 'secret' } }),
    ],
    ['a thrown text', 'secret'],
    ['nothing', undefined],
    ['an object that looks like ours', { code: 'forbidden', message: 'secret' }],
  ])('shows nothing of %s', (_name, error) => {
    expect(toErrorAnswer(error)).toEqual({
      status: 500,
      retryAfterSeconds: null,
      body: { success: false, error: 'internal error', code: 'internal' },
      expected: false,
    })
  })

  it('asks to come again after what may pass, without showing what it was', () => {
    expect(toErrorAnswer(new AwayError('postgres://secret'))).toMatchObject({
      status: 503,
      retryAfterSeconds: 1,
      body: { code: 'unavailable' },
    })
    expect(JSON.stringify(toErrorAnswer(new AwayError('postgres://secret')))).not.toContain('secret')
    expect(toErrorAnswer(new BusyError('busy'))).toMatchObject({
      status: 503,
      retryAfterSeconds: 3,
      body: { code: 'overloaded' },
    })
  })

  it('gives issues as a list of their own, and other details as far as JSON can hold them', () => {
    const issues = [{ path: 'a', message: 'b', input: 'not shown' }]
    expect(toErrorAnswer(new RequestError('invalid_request', 'x', { details: { issues } })).body.details).toEqual([
      { path: 'a', message: 'b' },
    ])
    const details = { id: 'x', big: 5n, nested: { secret: 1 }, none: null }
    expect(toErrorAnswer(new RequestError('configured', 'x', { details })).body.details).toEqual({
      id: 'x',
      big: '5',
      none: null,
    })
    expect(toErrorAnswer(new RequestError('configured', 'x', { details: {} })).body).not.toHaveProperty('details')
  })
})
