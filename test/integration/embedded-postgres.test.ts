import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/model/logger.js'
import { startEmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'
import type { EmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const isRoot = process.getuid?.() === 0
// Some account of every Linux, and a uid that has no account.
const namedUid = 1
const namelessUid = 61_234
const limitMs = 20_000

interface Message {
  readonly event: string
  readonly [field: string]: unknown
}

/** One owner process, in a process group of its own. */
class Owner {
  readonly process: ChildProcess
  readonly messages: Message[] = []
  readonly #exited: Promise<unknown>

  constructor(child: ChildProcess) {
    this.process = child
    this.#exited = once(child, 'close')
    if (child.stdout === null) throw new Error('expected a pipe')
    createInterface({ input: child.stdout }).on('line', (line) => this.messages.push(JSON.parse(line) as Message))
  }

  get pid(): number {
    return this.process.pid ?? 0
  }

  async message(event: string): Promise<Message> {
    const found = (): Message | undefined => this.messages.find((message) => message.event === event)
    await until(() => found() !== undefined || this.process.exitCode !== null || this.process.signalCode !== null)
    if (found() === undefined) await this.#exited
    return found() ?? expect.fail(`no "${event}" from the owner: ${JSON.stringify(this.messages)}`)
  }

  say(command: string): void {
    this.process.stdin?.write(`${command}\n`)
  }

  async kill(whom: 'process' | 'group' = 'process'): Promise<void> {
    process.kill(whom === 'group' ? -this.pid : this.pid, 'SIGKILL')
    await this.#exited
  }

  async stop(): Promise<void> {
    this.process.kill('SIGTERM')
    await this.message('stopped')
    await this.#exited
  }

  acked(): number[] {
    return this.messages.filter((message) => message.event === 'acked').map((message) => Number(message['n']))
  }
}

interface OwnerOptions {
  readonly dataDir: string
  readonly script?: string
  readonly uid?: number
  readonly tmp?: string
  readonly wrapper?: readonly string[]
}

const owners: Owner[] = []
const servers: EmbeddedPostgres[] = []
let base = ''
let tmp = ''
/** A copy of the part of the checkout that counts here, with built files; its way can be closed and opened. */
let root = ''
/** A data directory that has been used once and shut down. */
let template = ''
const realTmp = process.env['TMPDIR']

function startOwner(options: OwnerOptions): Owner {
  const script = options.script ?? join(root, 'dist/test/integration/embedded-postgres-child.js')
  const loader = script.endsWith('.ts') ? ['--import', join(root, 'node_modules/tsx/dist/loader.mjs')] : []
  const [command, ...args] = [...(options.wrapper ?? []), process.execPath, ...loader, script, options.dataDir]
  const child = spawn(command, args, {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
    cwd: '/',
    env: { PATH: process.env['PATH'], TMPDIR: options.tmp ?? tmp, HOME: options.tmp ?? tmp },
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  })
  const owner = new Owner(child)
  owners.push(owner)
  return owner
}

/** A data directory with a cluster, as a restored copy is: as root it belongs to root at first. */
function usedDirectory(name: string): string {
  const dataDir = join(base, name)
  cpSync(template, dataDir, { recursive: true })
  return dataDir
}

async function start(
  dataDir: string,
  more: { nativeDir?: string; signal?: AbortSignal } = {},
): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, logger: silentLogger, ...more })
  servers.push(server)
  return server
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + limitMs
  while (!condition()) {
    if (performance.now() > deadline) expect.fail(`expected within ${limitMs} ms: ${condition.toString()}`)
    await sleep(5)
  }
}

async function query(server: EmbeddedPostgres, sql: string): Promise<Record<string, string>[]> {
  const client = new Client(server.connection)
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Record<string, string>>(sql)).rows
  } finally {
    await client.end()
  }
}

/** Live processes that work inside the directory or name it in their command line: servers and watchdogs. */
function processesOf(dataDir: string): { pid: number; program: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8')
        const inside = `${readlinkSync(`/proc/${name}/cwd`)}/`.startsWith(`${dataDir}/`)
        const dead = / [ZX] /.test(stat.slice(stat.lastIndexOf(')') + 1, stat.lastIndexOf(')') + 4))
        if (dead || !(inside || command.split('\0').includes(dataDir))) return []
        const program = command.includes('watchdog') ? 'watchdog' : inside ? 'postgres' : 'owner'
        return [{ pid: Number(name), program }]
      } catch {
        return []
      }
    })
}

function pidOf(dataDir: string, program: string): number {
  return processesOf(dataDir).find((found) => found.program === program)?.pid ?? expect.fail(`no ${program}`)
}

function runtimeDirs(): string[] {
  return readdirSync(tmp).filter((name) => name.startsWith('tm-'))
}

function partialClusters(dataDir: string): string[] {
  return existsSync(dataDir) ? readdirSync(dataDir).filter((name) => name.startsWith('postgres.init-')) : []
}

async function expectNothingLeft(dataDir: string): Promise<void> {
  await until(() => processesOf(dataDir).length === 0 && runtimeDirs().length === 0)
}

/** Everything a start needs, in a place of its own: the embedded sources, the child script and their packages. */
function copyCheckout(target: string): void {
  const copy = (path: string): void => cpSync(join(checkout, path), join(target, path), { recursive: true })
  for (const path of ['package.json', 'tsconfig.json', 'src/model', 'src/storage/postgres/embedded']) copy(path)
  copy('test/integration/embedded-postgres-child.ts')
  const seen = new Set<string>()
  const copyPackage = (name: string): void => {
    if (seen.has(name) || !existsSync(join(checkout, 'node_modules', name))) return
    seen.add(name)
    copy(join('node_modules', name))
    const text = readFileSync(join(checkout, 'node_modules', name, 'package.json'), 'utf8')
    const manifest = JSON.parse(text) as Record<string, Record<string, string> | undefined>
    for (const dependency of Object.keys({ ...manifest['dependencies'], ...manifest['optionalDependencies'] }))
      copyPackage(dependency)
  }
  for (const name of ['pg', 'tsx', `@embedded-postgres/${process.platform}-${process.arch}`]) copyPackage(name)
}

/** Builds the copy, as the package is built, so that owners run as users run them. */
function build(target: string): void {
  const config = join(target, 'tsconfig.dist.json')
  const compilerOptions = { noEmit: false, noCheck: true, outDir: 'dist', rootDir: '.', types: [] }
  writeFileSync(config, JSON.stringify({ extends: './tsconfig.json', compilerOptions, include: ['src', 'test'] }))
  const tsc = join(checkout, 'node_modules/typescript/bin/tsc')
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', config], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`expected the copy to build, got: ${stdout}`)
}

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'tidemark-embedded-'))
  chmodSync(base, 0o755)
  tmp = join(base, 't')
  mkdirSync(tmp)
  // A temporary directory of our own, so that "nothing is left in it" can be checked while other tests run.
  process.env['TMPDIR'] = tmp
  root = join(base, 'checkout')
  copyCheckout(root)
  build(root)
  template = join(base, 'template')
  const server = await start(template)
  await server.stop()
}, 60_000)

afterEach(async () => {
  process.env['TMPDIR'] = tmp
  for (const server of servers.splice(0)) await server.stop()
  for (const owner of owners.splice(0)) {
    if (owner.process.exitCode === null && owner.process.signalCode === null) await owner.kill()
  }
})

afterAll(() => {
  if (realTmp === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = realTmp
  rmSync(base, { recursive: true, force: true })
}, 60_000)

describe.skipIf(process.platform !== 'linux')('embedded PostgreSQL', { timeout: 30_000 }, () => {
  it('creates a durable server without TCP, starts it again, and leaves nothing behind', async () => {
    const dataDir = join(base, 'fresh')
    const first = await start(dataDir)
    expect(first.origin).toBe('created')
    expect(await query(first, 'show fsync')).toEqual([{ fsync: 'on' }])
    expect(await query(first, 'show listen_addresses')).toEqual([{ listen_addresses: '' }])
    expect(await query(first, 'show synchronous_commit')).toEqual([{ synchronous_commit: 'on' }])
    expect(await query(first, 'show server_encoding')).toEqual([{ server_encoding: 'UTF8' }])
    expect(statSync(first.connection.host).mode & 0o777).toBe(0o700)
    expect(statSync(`/proc/${first.serverPid}`).uid).toBe(isRoot ? 65_534 : process.getuid?.())
    expect(statSync(dataDir).uid).toBe(isRoot ? 65_534 : process.getuid?.())
    await Promise.all([first.stop(), first.stop()])
    await expectNothingLeft(dataDir)
    expect(readdirSync(dataDir)).toEqual(['postgres'])

    const second = await start(dataDir)
    expect(second.origin).toBe('started')
    await second.stop()
    await expectNothingLeft(dataDir)
  })

  it('refuses a second owner with the pid of the first, also within one process', async () => {
    const dataDir = usedDirectory('locked')
    const server = await start(dataDir)
    const other = await startOwner({ dataDir }).message('failed')
    expect(other).toMatchObject({ code: 'data_directory_locked', details: { pid: process.pid, dataDir } })
    await expect(start(dataDir)).rejects.toMatchObject({ details: { pid: process.pid } })
    expect(await query(server, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('lets one of two simultaneous first starts win', async () => {
    const dataDir = join(base, 'race')
    const two = [startOwner({ dataDir }), startOwner({ dataDir })]
    await until(() => two.every((owner) => owner.messages.length > 0))
    expect(new Set(two.map((owner) => owner.messages[0]?.event))).toEqual(new Set(['failed', 'started']))
    const winner = two.find((owner) => owner.messages[0]?.event === 'started')
    const loser = two.find((owner) => owner.messages[0]?.event === 'failed')
    expect(loser?.messages[0]).toMatchObject({ code: 'data_directory_locked', details: { pid: winner?.pid } })
    await winner?.stop()
    await expectNothingLeft(dataDir)
  })

  it.each(['process', 'group'] as const)('keeps every acknowledged row when its %s is killed', async (whom) => {
    const dataDir = usedDirectory(`kill-${whom}`)
    const owner = startOwner({ dataDir })
    await owner.message('started')
    owner.say('write')
    await until(() => owner.acked().length >= 200)
    await owner.kill(whom)

    const server = await start(dataDir)
    const acked = owner.acked()
    const rows = await query(server, 'select n from acked order by n')
    expect(rows.slice(0, acked.length).map((row) => Number(row['n']))).toEqual(acked)
    expect(rows.length - acked.length).toBeLessThanOrEqual(1)
    await server.stop()
    await expectNothingLeft(dataDir)
  })

  it('has its watchdog stop the server and remove the runtime directory when the owner is killed', async () => {
    const dataDir = usedDirectory('watchdog')
    const owner = startOwner({ dataDir })
    await owner.message('started')
    const killedAt = performance.now()
    await owner.kill('group')
    await expectNothingLeft(dataDir)
    expect(performance.now() - killedAt).toBeLessThan(5_000)
    // A clean shutdown: the lock file is gone.
    expect(readdirSync(join(dataDir, 'postgres'))).not.toContain('postmaster.pid')
    expect(readdirSync(dataDir)).toEqual(['postgres'])
  })

  it('adopts a server whose owner and watchdog were both killed, and guards it', async () => {
    const dataDir = usedDirectory('adopt')
    const first = startOwner({ dataDir })
    const { serverPid } = await first.message('started')
    process.kill(pidOf(dataDir, 'watchdog'), 'SIGKILL')
    await first.kill()

    const second = startOwner({ dataDir })
    expect(await second.message('started')).toMatchObject({ origin: 'adopted', serverPid })
    const refused = await startOwner({ dataDir }).message('failed')
    expect(refused).toMatchObject({ code: 'data_directory_locked', details: { pid: second.pid } })
    await second.kill('group')
    await expectNothingLeft(dataDir)
  })

  it('does not let the watchdog of a dead owner stop an adopted server', async () => {
    const dataDir = usedDirectory('adopt-frozen')
    const first = startOwner({ dataDir })
    const { serverPid } = await first.message('started')
    const watchdog = pidOf(dataDir, 'watchdog')
    process.kill(watchdog, 'SIGSTOP')
    await first.kill()
    const server = await start(dataDir)
    expect(server).toMatchObject({ origin: 'adopted', serverPid })
    process.kill(watchdog, 'SIGCONT')
    await until(() => !processesOf(dataDir).some((found) => found.pid === watchdog))
    expect(await query(server, 'select 1 as one')).toEqual([{ one: 1 }])
    await server.stop()
    await expectNothingLeft(dataDir)
  })

  it('reports the death of the server and recovers from it', async () => {
    const dataDir = usedDirectory('crash')
    const owner = startOwner({ dataDir })
    const { serverPid } = await owner.message('started')
    owner.say('write')
    await until(() => owner.acked().length >= 50)
    process.kill(Number(serverPid), 'SIGKILL')
    await owner.message('lost')
    await owner.kill('group')

    const server = await start(dataDir)
    expect(server.origin).toBe('recovered')
    const rows = await query(server, 'select count(*)::int as count from acked')
    expect(Number(rows[0]?.['count'])).toBeGreaterThanOrEqual(owner.acked().length)
    await server.stop()
    await expectNothingLeft(dataDir)
  })

  it('stops a frozen server that nobody owns and goes on', async () => {
    const dataDir = usedDirectory('frozen')
    const owner = startOwner({ dataDir })
    const { serverPid } = await owner.message('started')
    process.kill(Number(serverPid), 'SIGSTOP')
    const startedAt = performance.now()
    await owner.kill('group')
    const server = await start(dataDir)
    expect(server.origin).toBe('recovered')
    expect(server.serverPid).not.toBe(serverPid)
    expect(performance.now() - startedAt).toBeLessThan(20_000)
    await server.stop()
    await expectNothingLeft(dataDir)
  })

  it('starts although the lock file names a pid that another program has got since', async () => {
    const dataDir = usedDirectory('reused-pid')
    const lockFile = join(dataDir, 'postgres', 'postmaster.pid')
    writeFileSync(lockFile, `${process.pid}\n/proc/self/cwd\n1700000000\n5432\n/tmp/gone\n\n1 1\nready   \n`)
    if (isRoot) chownSync(lockFile, 65_534, 65_534)
    expect((await start(dataDir)).origin).toBe('recovered')
  })

  it('starts anew after a kill in the middle of the first start', async () => {
    const dataDir = join(base, 'half')
    const owner = startOwner({ dataDir })
    await until(() => partialClusters(dataDir).length > 0)
    await owner.kill('group')
    const server = await start(dataDir)
    expect(server.origin).toBe('created')
    expect(partialClusters(dataDir)).toEqual([])
    await server.stop()
    await expectNothingLeft(dataDir)
  })

  it('leaves nothing when a start is aborted', async () => {
    const dataDir = join(base, 'aborted')
    const abort = new AbortController()
    const starting = expect(start(dataDir, { signal: abort.signal })).rejects.toMatchObject({ code: 'closed' })
    await until(() => partialClusters(dataDir).length > 0)
    abort.abort()
    await starting
    expect(processesOf(dataDir)).toEqual([])
    expect(readdirSync(dataDir)).toEqual([])
    expect(runtimeDirs()).toEqual([])
    await expect(start(dataDir, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'closed' })
  })

  it('refuses a directory of another major version and leaves it as it was', async () => {
    const dataDir = join(base, 'version')
    mkdirSync(join(dataDir, 'postgres'), { recursive: true })
    writeFileSync(join(dataDir, 'postgres', 'PG_VERSION'), '15\n')
    await expect(start(dataDir)).rejects.toMatchObject({
      code: 'data_directory_version',
      details: { found: '15', expected: '18', dataDir },
    })
    expect(new Set(readdirSync(dataDir, { recursive: true, encoding: 'utf8' }))).toEqual(
      new Set(['postgres', join('postgres', 'PG_VERSION')]),
    )
    expect(statSync(join(dataDir, 'postgres')).uid).toBe(process.getuid?.())
    expect(runtimeDirs()).toEqual([])
    expect(processesOf(dataDir)).toEqual([])
  })

  it('names TMPDIR when the path of the socket would be too long', async () => {
    const long = join(base, 'x'.repeat(100))
    mkdirSync(long)
    process.env['TMPDIR'] = long
    await expect(start(join(base, 'long'))).rejects.toMatchObject({
      code: 'configuration',
      details: { setting: 'TMPDIR' },
    })
    expect(readdirSync(long)).toEqual([])
  })

  it('says that the platform package does not run when its program is missing', async () => {
    const nativeDir = join(base, 'empty-native')
    mkdirSync(nativeDir)
    await expect(start(join(base, 'no-binaries'), { nativeDir })).rejects.toMatchObject({
      code: 'embedded_postgres_unavailable',
      hint: expect.stringContaining('DATABASE_URL') as string,
    })
  })

  it.skipIf(!isRoot)('works below a directory that only root can enter', async () => {
    const closed = join(base, 'closed')
    mkdirSync(closed, { mode: 0o700 })
    const dataDir = join(closed, 'data')
    const server = await start(dataDir)
    expect(await query(server, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(statSync(closed).uid).toBe(0)
    expect(statSync(closed).mode & 0o777).toBe(0o700)
    await server.stop()
    await expectNothingLeft(dataDir)
  })

  it.skipIf(!isRoot)('survives a kill as root without the right to look into other users’ processes', async () => {
    const dataDir = usedDirectory('no-ptrace')
    const wrapper = ['setpriv', '--bounding-set', '-sys_ptrace', '--inh-caps', '-sys_ptrace']
    const first = startOwner({ dataDir, wrapper })
    const { serverPid } = await first.message('started')
    const capabilities = /CapEff:\s*([0-9a-f]+)/.exec(readFileSync(`/proc/${first.pid}/status`, 'utf8'))?.[1] ?? ''
    expect(BigInt(`0x${capabilities}`) & (1n << 19n)).toBe(0n)
    process.kill(pidOf(dataDir, 'watchdog'), 'SIGKILL')
    await first.kill()
    const second = startOwner({ dataDir, wrapper })
    expect(await second.message('started')).toMatchObject({ origin: 'adopted', serverPid })
    await second.kill('group')
    await expectNothingLeft(dataDir)
  })

  it.skipIf(!isRoot)('works as an ordinary user, and root can take turns with that user', async () => {
    const home = makeHome('home', namedUid)
    const options = { dataDir: join(home, 'data'), uid: namedUid, tmp: home }
    const first = startOwner(options)
    const { serverPid } = await first.message('started')
    expect(statSync(`/proc/${Number(serverPid)}`).uid).toBe(namedUid)
    await first.kill('group')
    const second = startOwner(options)
    await second.message('started')
    await second.stop()
    expect(readdirSync(home)).toEqual(['data'])

    const server = await start(options.dataDir)
    expect(statSync(`/proc/${server.serverPid}`).uid).toBe(namedUid)
    expect(statSync(options.dataDir).uid).toBe(namedUid)
    await server.stop()
    await expectNothingLeft(options.dataDir)
  })

  it.skipIf(!isRoot)('works as a user without an account where the system lets it, and says so where not', async () => {
    const home = makeHome('nameless', namelessUid)
    const ids = { uid: namelessUid, gid: namelessUid }
    const mayAppearNamed = spawnSync('unshare', ['--user', '--map-user=1', '--map-group=1', 'true'], ids).status === 0
    const owner = startOwner({ dataDir: join(home, 'data'), uid: namelessUid, tmp: home })
    if (mayAppearNamed) {
      await owner.message('started')
      await owner.stop()
    } else {
      const failure = await owner.message('failed')
      expect(failure).toMatchObject({ code: 'embedded_postgres_start_failed' })
    }
    expect(processesOf(join(home, 'data'))).toEqual([])
  })

  it.skipIf(!isRoot).each([
    { where: 'an open', mode: 0o755, copies: 1 },
    { where: 'a closed', mode: 0o700, copies: 0 },
  ])('works from a checkout that only root can enter, with data in $where directory', async ({ mode, copies }) => {
    const parent = join(base, `data-${copies}`)
    mkdirSync(parent)
    chmodSync(parent, mode)
    const dataDir = join(parent, 'data')
    const listPackages = (): string[] => readdirSync(join(root, 'node_modules'), { recursive: true, encoding: 'utf8' })
    const before = listPackages()
    chmodSync(root, 0o700)
    try {
      const owner = startOwner({ dataDir })
      await owner.message('started')
      await owner.stop()
      await expectNothingLeft(dataDir)
      expect(readdirSync(dataDir).filter((name) => name.startsWith('binaries-'))).toHaveLength(copies)
      expect(listPackages()).toEqual(before)
    } finally {
      chmodSync(root, 0o755)
    }
  })

  it('works from TypeScript sources, watchdog included', async () => {
    const dataDir = usedDirectory('sources')
    const owner = startOwner({ dataDir, script: join(root, 'test/integration/embedded-postgres-child.ts') })
    await owner.message('started')
    await owner.kill('group')
    await expectNothingLeft(dataDir)
  })
})

/** A directory of an unprivileged user, for its data and its temporary files. */
function makeHome(name: string, uid: number): string {
  const home = join(base, name)
  mkdirSync(home)
  chownSync(home, uid, uid)
  return home
}
