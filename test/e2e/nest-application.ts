import { execFile, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, realpath, rm, symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

import { until } from '../support/until.js'

const repository = resolve(import.meta.dirname, '../..')

export type ExampleName = 'nestjs-app' | 'nestjs-app-commonjs'

/** An example as a user has it: in a folder of its own, with the built package and its NestJS installed. */
export interface InstalledApplication {
  /** Runs what was compiled. */
  run(env: Readonly<Record<string, string>>): Promise<RunningApplication>
  remove(): Promise<void>
}

export interface RunningApplication {
  readonly url: string
  readonly pid: number
  /** Standard output and standard error so far. */
  readonly output: () => string
  get(path: string): Promise<unknown>
  post(path: string): Promise<unknown>
  kill(signal: NodeJS.Signals): void
  exited(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

/** Installs an example and compiles it, as `npm install` and `tsc` do. */
export async function installApplication(name: ExampleName): Promise<InstalledApplication> {
  const example = join(repository, 'examples', name)
  const folder = await realpath(await mkdtemp(join(tmpdir(), `tidemark-${name}-`)))
  for (const part of ['src', 'package.json', 'tsconfig.json']) {
    await cp(join(example, part), join(folder, part), { recursive: true })
  }
  await installPackages(join(folder, 'node_modules'), example)
  const compiler = join(repository, 'node_modules/typescript/bin/tsc')
  await promisify(execFile)(process.execPath, [compiler, '-p', folder]).catch((error: unknown) => {
    const output = typeof error === 'object' && error !== null && 'stdout' in error ? error.stdout : error
    throw new Error(`the example does not compile:\n${String(output)}`)
  })
  return {
    run: (env) => runApplication(folder, env),
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

/** Every package of the repository; NestJS as the example asks for it; and ours as it is published, not linked. */
async function installPackages(modules: string, example: string): Promise<void> {
  const shared = join(repository, 'node_modules')
  await mkdir(modules)
  for (const name of await readdir(shared)) {
    if (name.startsWith('.') || name.startsWith('tidemark') || name === '@nestjs') continue
    await symlink(await realpath(join(shared, name)), join(modules, name))
  }
  const own = join(example, 'node_modules/@nestjs')
  const nest = await realpath(own).catch(() => realpath(join(shared, '@nestjs')))
  await symlink(nest, join(modules, '@nestjs'))
  for (const part of ['dist', 'package.json']) {
    await cp(join(repository, part), join(modules, 'tidemark', part), { recursive: true })
  }
}

async function runApplication(folder: string, env: Readonly<Record<string, string>>): Promise<RunningApplication> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = spawn(process.execPath, ['dist/main.js'], {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', NO_COLOR: '1', PORT: String(port), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()))
  let ended = false
  const exit = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((done) => {
    child.once('close', (code, signal) => done({ code, signal }))
  })
  void exit.then(() => (ended = true))
  await until(
    'the application answers',
    async () => {
      if (ended) throw new Error(`the application ended instead of listening:\n${output.slice(-4000)}`)
      return fetch(`${url}/changes`).then(
        ({ ok }) => ok,
        () => false,
      )
    },
    60_000,
  )
  const json = async (path: string, method: string): Promise<unknown> => {
    const answer = await fetch(url + path, { method })
    if (!answer.ok && path !== '/health') throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
    return answer.json()
  }
  return {
    url,
    pid: child.pid ?? -1,
    output: () => output,
    get: (path) => json(path, 'GET'),
    post: (path) => json(path, 'POST'),
    kill: (signal) => void child.kill(signal),
    exited: () => exit,
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  await new Promise((done) => server.close(done))
  if (address === null || typeof address === 'string') throw new Error('expected an address of TCP')
  return address.port
}
