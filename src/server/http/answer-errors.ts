import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

import { toErrorAnswer } from '../../api/error-answer.js'
import { RequestError } from '../../api/request-error.js'
import type { Logger } from '../../index.js'
import { fromFastifyError } from './fastify-failure.js'

/** Answers a failed request, and logs what must not be shown. */
export type AnswerError = (error: unknown, request: FastifyRequest, reply: FastifyReply) => void

export function createErrorAnswerer(logger: Logger): AnswerError {
  return (error, request, reply) => {
    const answer = toErrorAnswer(fromFastifyError(error))
    const fields = { requestId: request.id, status: answer.status, code: answer.body.code }
    if (request.raw.destroyed && !request.raw.complete) logger.debug(fields, 'request was cut off')
    else if (answer.expected) logger.debug({ ...fields, error: answer.body.error }, 'request refused')
    else logger.error({ ...fields, err: error }, 'request failed')

    if (answer.retryAfterSeconds !== null) reply.header('retry-after', answer.retryAfterSeconds)
    if (answer.status === 401) reply.header('www-authenticate', 'Bearer')
    void reply.status(answer.status).send(answer.body)
  }
}

/** Makes every failure of the application an answer of the documented form. */
export function answerErrors(app: FastifyInstance, answerError: AnswerError): void {
  app.setErrorHandler(answerError)
  app.setNotFoundHandler((request, reply) => {
    answerError(new RequestError('not_found', 'there is no such route'), request, reply)
  })
}
