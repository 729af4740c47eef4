import { rm } from 'node:fs/promises'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { runService, temporaryFolder } from '../support/service.js'
import type { ServiceProcess } from '../support/service.js'
import { until } from '../support/until.js'

const body = JSON.stringify({ onchain: { rlb: 1.5 }, onsite: { usd: 2 } })

describe('tidemark keys', () => {
  let folder: string
  let processes: ServiceProcess[]

  beforeEach(async () => {
    folder = await temporaryFolder()
    processes = []
  })

  afterEach(async () => {
    for (const service of processes) if (service.child.exitCode === null) service.kill('SIGTERM')
    await Promise.all(processes.map((service) => service.exited()))
    await rm(folder, { recursive: true, force: true })
  })

  const run = (args: readonly string[], env: Record<string, string> = {}): ServiceProcess => {
    const service = runService({ args, cwd: folder, env: { TIDEMARK_DATA_DIR: join(folder, 'data'), ...env } })
    processes.push(service)
    return service
  }

  const keys = async (...args: string[]): Promise<{ code: number | null; out: string; told: string }> => {
    const command = run(['keys', ...args])
    const { code } = await command.exited()
    return { code, out: command.stdout(), told: command.log() }
  }

  const report = async (url: string, secret: string | null): Promise<number> => {
    const headers = {
      'content-type': 'application/json',
      ...(secret === null ? {} : { authorization: `Bearer ${secret}` }),
    }
    const response = await fetch(`${url}/api/balance/snapshot`, { method: 'POST', headers, body })
    await response.arrayBuffer()
    return response.status
  }

  it('adds, lists and revokes while a service runs on the embedded database, which takes it up by itself', async () => {
    const service = run(['start'])
    const url = await service.ready()
    const added = await keys('add', 'bot', '--scope', 'write')
    expect(added).toMatchObject({ code: 0, out: expect.stringMatching(/^tm_[\w-]{43}\n$/) as unknown })
    const secret = added.out.trim()
    expect(added.told).toContain('shown this once')
    expect(added.told).not.toContain(secret)
    await until('the key is needed', async () => (await report(url, null)) === 401)
    expect(await report(url, secret)).toBe(200)

    const [listed] = JSON.parse((await keys('list', '--json')).out) as Record<string, unknown>[]
    expect(listed).toMatchObject({ name: 'bot', scopes: ['read', 'write'], revokedAt: null })
    expect(JSON.stringify(listed)).not.toContain(secret)

    expect(await keys('revoke', 'bot')).toMatchObject({ code: 0, out: '' })
    await until('the key is refused', async () => (await report(url, secret)) === 401)
    expect(await keys('revoke', 'bot')).toMatchObject({
      code: 2,
      out: '',
      told: expect.stringContaining('tidemark keys list') as unknown,
    })
    expect((await keys('list')).out).toMatch(/^NAME +SCOPES .*\nbot +read\+write .* [\da-f-]{36}\n$/)
    // The guests have not harmed the owner of the database.
    expect(service.child.exitCode).toBeNull()
    expect(service.log()).not.toContain(secret)
  })

  it('without a service, adds the key that a host beyond this machine needs to start', async () => {
    const refused = run(['start'], { HOST: '0.0.0.0' })
    expect(await refused.exited()).toEqual({ code: 2, signal: null })
    expect(refused.log()).toMatch(/HOST: expected .*0\.0\.0\.0.* without any key\n.*tidemark keys add.*API_KEYS/)
    const secret = (await keys('add', 'ops', '-s', 'admin')).out.trim()
    const service = run(['start'], { HOST: '0.0.0.0' })
    const url = await service.ready()
    expect([await report(url, null), await report(url, secret)]).toEqual([401, 200])
  })

  it.each([
    [['add', 'bot'], /--scope/],
    [['add', 'bot', '--scope', 'root'], /read, write or admin/],
    [['revoke'], /name-or-id/],
  ])('%j ends with exit code 2, and says what was expected', async (args, message) => {
    const { code, out, told } = await keys(...args)
    expect([code, out]).toEqual([2, ''])
    expect(told).toMatch(message)
  })

  it('begins its help with examples', async () => {
    const { code, out } = await keys('--help')
    expect(code).toBe(0)
    expect(out).toMatch(/^Examples:\n.*tidemark keys add trading-bot --scope write/)
  })
})
