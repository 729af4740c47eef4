import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { MongoClient } from 'mongodb'
import { buildFolder, serverBuilds } from './server-builds.js'
import type { ServerName } from './server-builds.js'

/** Java needs a second or two on a busy machine. */
const START_TIMEOUT_MS = 30_000

/** How long a server may take to write what it holds. */
const STOP_TIMEOUT_MS = 5000

/** Above this FerretDB 1.24 never answers a bulk write that updates documents which exist. */
const FERRETDB_BATCH_SIZE = 50

export type MongoDbServerName = Exclude<ServerName, 'geth'>

/** A database of its own on a MongoDB-compatible server. */
export interface MongoTestDatabase {
  readonly name: string
  /** For `MONGODB_URL`. */
  readonly url: string
  drop(): Promise<void>
}

export interface MongoDbServer {
  /** Without a database. */
  readonly url: string
  createDatabase(): Promise<MongoTestDatabase>
  /** Stops the process where it is: connections stay open and nothing is answered. */
  freeze(): void
  thaw(): void
  /** Ends it and its connections; what it acknowledged is on the disk, if it was started `onDisk`. */
  halt(): Promise<void>
  /** Starts it again on the same port, after `halt`. */
  restart(): Promise<void>
  /** Ends it and removes what it stored. */
  stop(): Promise<void>
}

/** A kind of server that this run of the tests can use. */
export interface MongoDbEngine {
  /** With its version. */
  readonly name: string
  /** The most documents of one bulk write. */
  readonly batchSize: number
  /**
   * @param options.onDisk keeps the data over `restart`; without it the fastest way, which may be memory
   */
  start(options?: { readonly onDisk?: boolean }): Promise<MongoDbServer>
}

/** The kinds that are built and started here. */
export function localEngine(name: MongoDbServerName): MongoDbEngine {
  return {
    name: `${name} ${serverBuilds[name].version}`,
    batchSize: name === 'ferretdb' ? FERRETDB_BATCH_SIZE : 1000,
    start: (options = {}) => startLocalServer(name, options.onDisk ?? false),
  }
}

/** A server that was there before and is not ours: its other databases are left alone. */
export function givenEngine(url: string): MongoDbEngine {
  const refused = (): never => {
    throw new Error('the server of MONGODB_URL is not started by the tests')
  }
  return {
    name: 'MONGODB_URL',
    batchSize: Number(process.env['MONGODB_BATCH_SIZE'] ?? 1000),
    start: () =>
      Promise.resolve({
        url,
        createDatabase: () => createMongoDatabase(url),
        freeze: refused,
        thaw: refused,
        halt: refused,
        restart: refused,
        stop: () => Promise.resolve(),
      }),
  }
}

async function startLocalServer(name: MongoDbServerName, onDisk: boolean): Promise<MongoDbServer> {
  const folder = await mkdtemp(join(tmpdir(), `tidemark-${name}-`))
  const data = join(folder, 'data')
  // FerretDB always stores on disk and wants the folder to be there; the other one makes a file.
  if (name === 'ferretdb') await mkdir(data)
  let running = await launch(name, 0, onDisk ? data : null, data)
  const port = running.port
  const url = `mongodb://127.0.0.1:${port}`
  return {
    url,
    createDatabase: () => createMongoDatabase(url),
    freeze: () => void running.process.kill('SIGSTOP'),
    thaw: () => void running.process.kill('SIGCONT'),
    halt: () => end(running.process),
    restart: async () => {
      await end(running.process)
      running = await launch(name, port, onDisk ? data : null, data)
    },
    stop: async () => {
      await end(running.process)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function launch(
  name: MongoDbServerName,
  port: number,
  file: string | null,
  folder: string,
): Promise<{ readonly process: ChildProcess; readonly port: number }> {
  const build = buildFolder(serverBuilds[name])
  const [program, args] =
    name === 'ferretdb'
      ? [join(build, 'ferretdb'), [`127.0.0.1:${port}`, folder]]
      : ['java', javaArguments(build, port, file)]
  // The server ends when its input does, so that none is left behind when the tests are killed.
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (data: Buffer) => (said = (said + data.toString()).slice(-2000)))
  try {
    return { process: child, port: await readPort(child, () => said) }
  } catch (error) {
    await end(child)
    throw error
  }
}

function javaArguments(build: string, port: number, file: string | null): string[] {
  const classPath = [join(build, 'classes'), join(build, 'lib', '*')].join(process.platform === 'win32' ? ';' : ':')
  // Quick to start and small, rather than fast after minutes.
  const options = ['-Xmx1g', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto']
  return [...options, '-cp', classPath, 'MongoServerForTests', String(port), ...(file === null ? [] : [file])]
}

function readPort(child: ChildProcess, said: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the server did not start: ${said()}`)), START_TIMEOUT_MS)
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${said()}`)))
    let text = ''
    child.stdout?.on('data', (data: Buffer) => {
      text += data.toString()
      const line = /^(\d+)\r?\n/.exec(text)
      if (line === null) return
      clearTimeout(timer)
      resolve(Number(line[1]))
    })
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGCONT')
  child.stdin?.end()
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  await exited
  clearTimeout(timer)
}

/** Says whose a database is, so that none is dropped that was there before or that somebody else uses. */
const OWNER_COLLECTION = 'tidemark_test_owner'

/** Makes a database that no test has used before, and remembers in it that it is this one's. */
export async function createMongoDatabase(serverUrl: string): Promise<MongoTestDatabase> {
  const name = `tidemark_test_${randomBytes(6).toString('hex')}`
  const owner = randomBytes(16).toString('hex')
  const url = withDatabase(serverUrl, name)
  await withClient(url, async (client) => {
    const there = await client.db(name).listCollections().toArray()
    if (there.length > 0) throw new Error(`expected no database ${name}, got one with ${there.length} collections`)
    await client.db(name).collection(OWNER_COLLECTION).insertOne({ owner })
  })
  return {
    name,
    url,
    drop: () =>
      withClient(url, async (client) => {
        const mark = await client.db(name).collection(OWNER_COLLECTION).findOne({ owner })
        if (mark === null) throw new Error(`expected ${name} to be this test's own, got another`)
        await client.db(name).dropDatabase()
      }),
  }
}

async function withClient(url: string, use: (client: MongoClient) => Promise<void>): Promise<void> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 10_000 })
  try {
    await use(client)
  } finally {
    await client.close()
  }
}

/** The address of a database on a server. Users of a server are looked up where its own address says. */
function withDatabase(serverUrl: string, name: string): string {
  const parts = /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(serverUrl)
  if (parts === null) throw new Error('expected the URL of a MongoDB server')
  const [, server = '', database = '', query = ''] = parts
  const options = new URLSearchParams(query)
  if (server.includes('@') && !options.has('authSource'))
    options.set('authSource', database === '' ? 'admin' : database)
  return `${server}/${name}${options.size === 0 ? '' : `?${options.toString()}`}`
}
