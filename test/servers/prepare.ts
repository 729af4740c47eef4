/**
 * Builds the servers that tests talk to and that no npm package brings. `npm run test:servers` builds the one that every
 * run of the tests wants; names as arguments (`mongo-java-server`, `ferretdb`, `geth`, or `all`) build those. With
 * `--or-skip` a server that cannot be built is told and is no failure: its tests are reported as skipped.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { ServerBuild, ServerName } from './server-builds.js'
import { buildFolder, failureFile, serverBuilds, serversFolder, sourcePath } from './server-builds.js'

/** A slow network and two cores build the largest of them in less. */
const BUILD_TIMEOUT_MS = 20 * 60_000

const options = new Set(process.argv.slice(2).filter((argument) => argument.startsWith('--')))
const named = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const orSkip = options.delete('--or-skip')
if (options.size > 0) throw new Error(`expected no option but --or-skip, got ${[...options].join(' ')}`)

let failed = false
for (const name of serverNames(named)) {
  const build = serverBuilds[name]
  const folder = buildFolder(build)
  if (existsSync(folder)) {
    console.log(`${name} ${build.version}: built before, ${folder}`)
    continue
  }
  const startedAt = Date.now()
  console.log(`${name} ${build.version}: building`)
  const reason = prepare(build, folder)
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1)
  if (reason === null) console.log(`${name} ${build.version}: built in ${seconds} s, ${folder}`)
  else {
    failed = true
    console.error(`${name} ${build.version}: NOT BUILT after ${seconds} s, its tests will be skipped: ${reason}`)
  }
}
if (failed && !orSkip) process.exitCode = 1

function serverNames(names: readonly string[]): readonly ServerName[] {
  const all = Object.values(serverBuilds).map((build) => build.name)
  if (names.length === 0) return ['mongo-java-server']
  if (names.includes('all')) return all
  return names.map((name) => {
    const found = all.find((known) => known === name)
    if (found === undefined) throw new Error(`expected one of ${all.join(', ')} or all, got ${name}`)
    return found
  })
}

/** Builds aside and moves it in place when it is complete, so that whoever finds the folder may use it. */
function prepare(build: ServerBuild, folder: string): string | null {
  const draft = `${folder}.${process.pid}.draft`
  rmSync(failureFile(build), { force: true })
  try {
    mkdirSync(draft, { recursive: true })
    switch (build.name) {
      case 'mongo-java-server':
        buildMongoJavaServer(draft)
        break
      case 'ferretdb':
        buildFerretDb(draft)
        break
      case 'geth':
        buildGeth(build, draft)
        break
    }
    if (!existsSync(folder)) renameSync(draft, folder)
    return null
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    mkdirSync(serversFolder(), { recursive: true })
    writeFileSync(failureFile(build), `${reason}\n`)
    return reason
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

function buildMongoJavaServer(draft: string): void {
  const lib = join(draft, 'lib')
  run('mvn', [
    '-q',
    '-B',
    '-f',
    sourcePath('mongo-java-server/pom.xml'),
    'dependency:copy-dependencies',
    `-DoutputDirectory=${lib}`,
  ])
  run('javac', [
    '-d',
    join(draft, 'classes'),
    '-cp',
    join(lib, '*'),
    sourcePath('mongo-java-server/MongoServerForTests.java'),
  ])
}

function buildFerretDb(draft: string): void {
  const source = join(draft, 'source')
  cpSync(sourcePath('ferretdb'), source, { recursive: true })
  run('go', ['build', '-trimpath', '-o', join(draft, 'ferretdb'), '.'], { CGO_ENABLED: '0' }, source)
  rmSync(source, { recursive: true })
}

function buildGeth(build: ServerBuild, draft: string): void {
  run('go', ['install', `github.com/ethereum/go-ethereum/cmd/geth@v${build.version}`], {
    CGO_ENABLED: '0',
    GOBIN: draft,
  })
}

/** Runs a program to its end. Throws with what it said last, in one line. */
function run(
  program: string,
  args: readonly string[],
  environment: Record<string, string> = {},
  folder?: string,
): void {
  try {
    execFileSync(program, args, {
      cwd: folder,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: BUILD_TIMEOUT_MS,
    })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new Error(`${program} is not installed`, { cause: error })
    }
    const said = [outputOf(error, 'stdout'), outputOf(error, 'stderr')].join('\n').split('\n')
    const last = said.filter((line) => line.trim() !== '').slice(-3)
    throw new Error(`${program} failed: ${last.join(' | ').slice(0, 600)}`, { cause: error })
  }
}

function outputOf(error: unknown, stream: 'stdout' | 'stderr'): string {
  if (!(error instanceof Error) || !(stream in error)) return ''
  const output: unknown = Object.getOwnPropertyDescriptor(error, stream)?.value
  return Buffer.isBuffer(output) ? output.toString('utf8') : ''
}
