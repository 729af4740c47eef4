import { rm } from 'node:fs/promises'
import { join } from 'node:path'

import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { runService, temporaryFolder } from '../support/service.js'
import type { ServiceProcess } from '../support/service.js'
import { createTestDatabase } from '../support/test-database.js'
import { freePort } from './chain-service.js'
import { commandLine } from './command-line.js'
import type { CommandLine, CommandResult } from './command-line.js'

const secret = 'a-secret-of-at-least-32-characters-in-all'
const wallet = '0x742d35cC8eBB5295b999c084b9dD5bf7A93f6C4b'
const listed = [{ address: wallet, label: 'hot', origin: 'config' }]

let folder: string
let port: number
let settings: Readonly<Record<string, string>>
const services: ServiceProcess[] = []
/** In the folder of the service, with its settings. */
let here: CommandLine

beforeAll(async () => {
  folder = await temporaryFolder()
  port = await freePort()
  settings = {
    TIDEMARK_DATA_DIR: join(folder, 'data'),
    PORT: String(port),
    API_KEYS: `ops:write:${secret}`,
    SOLVER_ADDRESSES: `hot=${wallet}`,
  }
  here = commandLine(folder, settings)
})

afterAll(async () => {
  for (const service of services) if (service.child.exitCode === null) service.kill('SIGTERM')
  await Promise.all(services.map((service) => service.exited()))
  await rm(folder, { recursive: true, force: true })
})

function startService(): ServiceProcess {
  const service = runService({ cwd: folder, env: settings })
  services.push(service)
  return service
}

async function list(...options: [args?: readonly string[], env?: Record<string, string>]): Promise<CommandResult> {
  const [args = [], env = {}] = options
  return await here.run(['solvers', 'list', '--json', '--verbose', ...args], env)
}

describe('where the answers come from', () => {
  it('is the service of these settings, else its database, which may be in use or at rest', async () => {
    const service = startService()
    const url = await service.ready()
    const [byKey, withoutKey, alone] = await Promise.all([
      list([], { TIDEMARK_API_KEY: secret }),
      list(),
      list(['--alone']),
    ])
    for (const { code, out } of [byKey, withoutKey, alone]) expect([code, JSON.parse(out)]).toEqual([0, listed])
    expect(byKey.told).toBe(`Asking the service at ${url}.\n`)
    // Whoever may use the database needs no key.
    expect(withoutKey.told).toMatch(
      new RegExp(`^The service at ${url} was not asked: .*key.*\\.\nAsking the database in .*data\\.\n$`),
    )
    expect(alone.told).toMatch(/^Asking the database in .*data\.\n$/)
    expect(service.child.exitCode).toBeNull()

    service.kill('SIGTERM')
    expect(await service.exited()).toMatchObject({ code: 0 })
    const atRest = await list()
    expect([atRest.code, JSON.parse(atRest.out)]).toEqual([0, listed])
    const watching = await here.run(['watch'])
    expect(watching).toMatchObject({ code: 5, out: '' })
    expect(watching.told).toMatch(/expected a service that runs on .*data, got none: nothing would change\n/)
    // The database was left as it was found.
    const again = startService()
    await again.ready()
    const refused = await Promise.all([
      here.run(['solvers', 'list', '--url', url]),
      here.run(['solvers', 'list', '--url', url, '--key', 'wrong-secret']),
      here.run(['watch', '--url', url]),
    ])
    for (const { code, out, told } of refused) {
      expect([code, out]).toEqual([2, ''])
      expect(told).toMatch(/TIDEMARK_API_KEY/)
      expect(told).not.toContain('wrong-secret')
    }
    again.kill('SIGTERM')
    await again.exited()
  })

  it('is nothing where neither is found, and then nothing is made', async () => {
    const empty = await createTestDatabase({ empty: true })
    const bare = { TIDEMARK_DATA_DIR: join(folder, 'nowhere') }
    try {
      const [unnamed, unreachable, schemaless, away] = await Promise.all([
        list([], bare),
        list(['--url', `http://127.0.0.1:${port}`], bare),
        list([], { DATABASE_URL: empty.url }),
        list([], { DATABASE_URL: `postgresql://nobody@127.0.0.1:${port}/nothing` }),
      ])
      expect([unnamed, unreachable, schemaless, away].map(({ code }) => code)).toEqual([5, 5, 5, 5])
      expect(unnamed.told).toMatch(
        /expected the data of Tidemark in .*nowhere, got nothing\nName a running service with --url/,
      )
      expect(unreachable.told).toContain(`the service at http://127.0.0.1:${port} cannot be reached\n`)
      expect(schemaless.told).toMatch(/expected a database of Tidemark, got one without its schema\n/)
      const client = new pg.Client(empty.address)
      await client.connect()
      const { rows } = await client.query("select 1 from pg_namespace where nspname = 'tidemark'")
      await client.end()
      expect(rows).toEqual([])
    } finally {
      await empty.drop()
    }
  })
})
