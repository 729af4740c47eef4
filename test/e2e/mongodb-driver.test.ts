import { rm } from 'node:fs/promises'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { runService, temporaryFolder } from '../support/service.js'
import type { ServiceProcess } from '../support/service.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'

/** Node finds everything but the driver. */
const resolver = `export async function resolve(name, context, next) {
  if (name === 'mongodb') throw Object.assign(new Error("Cannot find package 'mongodb'"), { code: 'ERR_MODULE_NOT_FOUND' })
  return next(name, context)
}`
const moduleUrl = (source: string): string => `data:text/javascript,${encodeURIComponent(source)}`
const withoutDriver = `--import=${moduleUrl(`import { register } from 'node:module'; register(${JSON.stringify(moduleUrl(resolver))})`)}`

describe('without the package mongodb', () => {
  let folder: string
  let database: TestDatabase
  let service: ServiceProcess | undefined

  beforeEach(async () => {
    folder = await temporaryFolder()
    database = await createTestDatabase()
  })
  afterEach(async () => {
    service?.kill('SIGKILL')
    await service?.exited()
    await database.drop()
    await rm(folder, { recursive: true, force: true })
  })

  const run = (env: Record<string, string>): ServiceProcess =>
    (service = runService({
      cwd: folder,
      env: { DATABASE_URL: database.url, NODE_OPTIONS: withoutDriver, ...env },
    }))

  it('the service works as ever', async () => {
    const url = await run({}).ready()
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: 'ready', database: 'up' })
  })

  it('MONGODB_URL is a wrong setting, and the way out is told', async () => {
    const started = run({ MONGODB_URL: 'mongodb://operator:SECRET@127.0.0.1:1/x' })
    expect(await started.exited()).toMatchObject({ code: 2 })
    expect(started.log()).toContain('expected the package')
    expect(started.log()).toContain('npm install mongodb')
    expect(started.log()).not.toContain('SECRET')
  })
})
