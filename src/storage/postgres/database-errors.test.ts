import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

import pg from 'pg'
import { describe, expect, it } from 'vitest'

import { DatabaseUnavailableError, asDatabaseError, isAnswered, sqlState, troubleOf } from './database-errors.js'

function answered(code: string): Error {
  const error = new pg.DatabaseError('said by the server', 0, 'error')
  error.code = code
  return error
}

function systemError(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code, errno: -1, syscall: 'connect' })
}

describe('an answer of the server', () => {
  it.each([
    ['40001', 'contended'],
    ['40P01', 'contended'],
    ['55P03', 'contended'],
    ['57014', 'silent'],
    ['53000', 'exhausted'],
    ['53100', 'disk_full'],
    ['53200', 'exhausted'],
    ['53300', 'exhausted'],
    ['57P01', 'restarting'],
    ['57P02', 'restarting'],
    ['57P03', 'restarting'],
    ['08000', 'unreachable'],
    ['08003', 'unreachable'],
    ['08006', 'unreachable'],
    ['08P01', 'unreachable'],
    ['25006', 'read_only'],
    ['25P03', 'silent'],
    ['58030', 'exhausted'],
    ['28P01', 'refused'],
    ['28000', 'refused'],
    ['3D000', 'refused'],
  ])('%s may be another one later: %s', (code, trouble) => {
    const error = asDatabaseError(answered(code))
    expect(error).toBeInstanceOf(DatabaseUnavailableError)
    expect(error).toMatchObject({ code: 'database_unavailable', retryable: true, trouble })
    expect(sqlState(error)).toBe(code)
    expect(isAnswered(error)).toBe(true)
  })

  it.each(['23505', '23502', '23503', '22P05', '22003', '42601', '42P01', '42501', '25P02', '54000', 'XX000', 'P0001'])(
    '%s stays what it is',
    (code) => {
      const error = answered(code)
      expect(troubleOf(error)).toBeNull()
      expect(asDatabaseError(error)).toBe(error)
    },
  )
})

describe('no answer of the server', () => {
  it.each(['EPIPE', 'ECONNRESET', 'ECONNREFUSED', 'ENOENT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN'])(
    'because of %s may be one later',
    (code) => {
      const error = asDatabaseError(systemError(code))
      expect(error).toMatchObject({ code: 'database_unavailable', retryable: true, trouble: 'unreachable' })
      expect(isAnswered(error)).toBe(false)
    },
  )

  it.each([
    ['timeout expired', 'silent'],
    ['Query read timeout', 'silent'],
    ['Connection terminated due to connection timeout', 'silent'],
    ['timeout exceeded when trying to connect', 'busy'],
    ['Connection terminated unexpectedly', 'unreachable'],
    ['Client has encountered a connection error and is not queryable', 'unreachable'],
  ])('in the words of the driver: %s', (message, trouble) => {
    expect(asDatabaseError(new Error(message))).toMatchObject({ code: 'database_unavailable', trouble })
  })

  it('at any address of a host is told with each of them', () => {
    const errors = [systemError('ECONNREFUSED'), systemError('ENETUNREACH')]
    const error = asDatabaseError(Object.assign(new AggregateError(errors, ''), { code: 'ECONNREFUSED' }))
    expect(error).toMatchObject({ trouble: 'unreachable' })
    expect(error).toHaveProperty('message', expect.stringMatching(/ECONNREFUSED, connect ENETUNREACH$/))
  })

  it('as the operating system really says it', async () => {
    const error = await new Promise<unknown>((resolve) => connect('/nonexistent/socket').on('error', resolve))
    expect(troubleOf(error)).toBe('unreachable')
  })
})

describe('a connection with TLS', () => {
  /** What connecting to such a server fails with. */
  async function failureAt(answer: (socket: Socket) => void): Promise<unknown> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => answer(socket))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const client = new pg.Client({ host: '127.0.0.1', port, ssl: { rejectUnauthorized: false } })
    try {
      return await client.connect().catch((error: unknown) => error)
    } finally {
      server.close()
    }
  }

  it('that ends during the handshake may come about later', async () => {
    const error = await failureAt((socket) => {
      socket.write('S')
      socket.once('data', () => socket.destroy())
    })
    expect(asDatabaseError(error)).toMatchObject({ code: 'database_unavailable', trouble: 'unreachable' })
  })

  it('that a server without resources refuses may come about later', async () => {
    const error = await failureAt((socket) => socket.end('Ecould not fork new process for connection\n\0'))
    expect(asDatabaseError(error)).toMatchObject({ code: 'database_unavailable', trouble: 'unreachable' })
  })
})

describe('a mistake of our own', () => {
  it.each([
    new Error('invariant: one outcome per draft'),
    new TypeError('Connection is not a function'),
    Object.assign(new TypeError('wrong argument'), { code: 'ERR_INVALID_ARG_TYPE' }),
    'a text',
  ])('is no trouble that passes: %s', (error) => {
    expect(asDatabaseError(error)).toBe(error)
  })
})
