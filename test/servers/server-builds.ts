import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A server that tests use and that no npm package brings: built by `npm run test:servers`. */
export type ServerName = 'mongo-java-server' | 'ferretdb' | 'geth'

export interface ServerBuild {
  readonly name: ServerName
  readonly version: string
  /** What of this folder it is made of; changed files make a new build. */
  readonly sources: readonly string[]
}

export const serverBuilds: Readonly<Record<ServerName, ServerBuild>> = {
  'mongo-java-server': {
    name: 'mongo-java-server',
    version: '1.47.0',
    sources: ['mongo-java-server/pom.xml', 'mongo-java-server/MongoServerForTests.java'],
  },
  ferretdb: {
    name: 'ferretdb',
    version: '1.24.0',
    sources: ['ferretdb/go.mod', 'ferretdb/go.sum', 'ferretdb/main.go'],
  },
  geth: { name: 'geth', version: '1.16.7', sources: [] },
}

const here = fileURLToPath(new URL('.', import.meta.url))

/** Where built servers are kept: outside of the package, in a folder that `npm ci` clears, or where told. */
export function serversFolder(): string {
  const told = process.env['TIDEMARK_TEST_SERVERS']
  return told === undefined || told === ''
    ? join(here, '../../node_modules/.cache/tidemark-test-servers')
    : resolve(told)
}

/** The path of a file beside this one. */
export function sourcePath(path: string): string {
  return join(here, path)
}

/** The folder of a server's build, which holds a complete one or does not exist. */
export function buildFolder(build: ServerBuild): string {
  const digest = createHash('sha256')
  for (const path of build.sources) digest.update(`${path}\0`).update(readFileSync(sourcePath(path)))
  const suffix = build.sources.length === 0 ? '' : `-${digest.digest('hex').slice(0, 12)}`
  return join(serversFolder(), `${build.name}-${build.version}${suffix}`)
}

/** The file in which a failed build leaves its reason. */
export function failureFile(build: ServerBuild): string {
  return `${buildFolder(build)}.failed.txt`
}

/** Why a server cannot be started, in words; null when it can. */
export function whyMissing(name: ServerName): string | null {
  const build = serverBuilds[name]
  if (existsSync(buildFolder(build))) return null
  const failure = failureFile(build)
  return existsSync(failure)
    ? `it could not be built: ${readFileSync(failure, 'utf8').trim()}`
    : `it is not built; npm run test:servers ${name} does that`
}
