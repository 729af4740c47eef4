import { Agent, request } from 'node:http'

import type { Draft } from './draw-report.js'
import { ANSWER_TIMEOUT_MS, readAnswer } from './send-report.js'
import type { Sender, Sending } from './send-report.js'

/** Sends reports by POST, over connections that are kept. */
export class RestSender implements Sender {
  readonly #urls: readonly string[]
  readonly #token: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 })
  #place = 0

  constructor({ urls, token }: { urls: readonly string[]; token: string }) {
    this.#urls = urls
    this.#token = token
  }

  send({ key, body }: Draft): Promise<Sending> {
    const text = JSON.stringify(body)
    const url = new URL('/api/balance/snapshot', this.#urls[this.#place % this.#urls.length])
    return new Promise((resolve) => {
      const fail = (reason: string): void => {
        this.#place += 1
        resolve(reason === 'ECONNREFUSED' ? { kind: 'unsent' } : { kind: 'unknown', reason })
      }
      const sending = request(
        url,
        {
          method: 'POST',
          agent: this.#agent,
          timeout: ANSWER_TIMEOUT_MS,
          headers: {
            authorization: `Bearer ${this.#token}`,
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(text),
            ...(key === null ? {} : { 'idempotency-key': key }),
          },
        },
        (response) => {
          let answer = ''
          response.setEncoding('utf8')
          response.on('data', (data: string) => (answer += data))
          response.on('end', () => resolve(readText(answer) ?? { kind: 'unknown', reason: `odd answer ${answer}` }))
          response.on('error', (error) => fail(error.message))
        },
      )
      sending.on('timeout', () => sending.destroy(new Error('no answer')))
      sending.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message))
      sending.end(text)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

function readText(text: string): Sending | null {
  try {
    return readAnswer(JSON.parse(text))
  } catch {
    return null
  }
}
