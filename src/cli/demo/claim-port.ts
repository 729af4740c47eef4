import { once } from 'node:events'
import { createServer } from 'node:net'

import { ConfigurationError } from '../../index.js'
import { DemoPortInUseError } from './demo-errors.js'

/** Checks that the port can be had before anything is started, and finds one for 0. */
export async function claimPort(host: string, port: number): Promise<number> {
  const server = createServer()
  try {
    server.listen({ host, port, exclusive: true })
    await once(server, 'listening')
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('invariant: a TCP server has an address')
    return address.port
  } catch (error) {
    throw refusal(host, port, error)
  } finally {
    server.close()
  }
}

function refusal(host: string, port: number, cause: unknown): Error {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'EADDRINUSE') {
    return new DemoPortInUseError(`expected port ${port} of ${host} to be free, but another process has it`, {
      cause,
      hint: 'Choose another port: npm run demo -- --port 3001 (0 takes any free one).',
    })
  }
  return new ConfigurationError(`--port: expected a port this process may listen on, got ${port} (${String(code)})`, {
    cause,
    hint: 'Choose a port above 1023: npm run demo -- --port 3001.',
  })
}
