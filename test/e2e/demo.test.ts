import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { WireBalanceRecord, WireCurrentBalance } from '../../src/api/balance-wire.js'
import type { WireChain } from '../../src/api/chain-wire.js'
import type { WirePage } from '../../src/api/page.js'
import type { SnapshotListAnswer } from '../../src/api/snapshot-wire.js'
import { until } from '../support/until.js'

const cli = resolve(import.meta.dirname, '../../dist/cli/main.js')
const startTimeoutMs = 30_000

interface Demo {
  readonly process: ChildProcess
  readonly pid: number
  readonly exited: Promise<number | null>
  out: string
  err: string
}

/** The demo's whole world: its temporary directory is this, so that nothing it leaves can hide. */
let folder: string
let demos: Demo[]

beforeEach(async () => {
  demos = []
  folder = await mkdtemp(join(tmpdir(), 'tmd-'))
  // The database runs as another user, who has to get through.
  await chmod(folder, 0o755)
})

afterEach(async () => {
  for (const { process: child, exited } of demos) {
    child.kill('SIGTERM')
    await exited
  }
  await rm(folder, { recursive: true, force: true })
})

/** Runs the built command without a terminal, in a process group of its own as a shell would. */
function runDemo(args: readonly string[]): Demo {
  const child = spawn(process.execPath, [cli, 'demo', ...args], {
    cwd: folder,
    // A user's own settings, which the demo must not touch.
    env: {
      PATH: process.env['PATH'],
      TMPDIR: folder,
      DATABASE_URL: 'postgres://127.0.0.1:1/not-yours',
      ETHEREUM_RPC_URL: 'http://127.0.0.1:1',
      API_KEYS: 'a-secret-of-the-user-0123',
    },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  if (child.pid === undefined) throw new Error('expected the demo to start')
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  const demo: Demo = { process: child, pid: child.pid, exited, out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (demo.out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (demo.err += text))
  demos.push(demo)
  return demo
}

async function firstBalance(demo: Demo): Promise<string> {
  await until(
    'the first balance is told',
    () => demo.out.includes('first balance after') || hasEnded(demo),
    startTimeoutMs,
  )
  const url = /up at (http:\S+)/.exec(demo.out)?.[1]
  if (url === undefined || hasEnded(demo)) throw new Error(`expected a running demo, got: ${demo.out}${demo.err}`)
  return url
}

function hasEnded({ process: child }: Demo): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

async function get<Answer>(url: string): Promise<Answer> {
  const answer = await fetch(url)
  if (!answer.ok) throw new Error(`${url}: status ${answer.status}`)
  return (await answer.json()) as Answer
}

interface ProcessEntry {
  readonly pid: number
  readonly parent: number
  readonly command: string
  /** Tells a process from a later one with the same pid. */
  readonly identity: string
}

/** Processes that have ended but that nobody has asked about yet are none any more: an orphan's wait for the system. */
function processes(): ProcessEntry[] {
  const text = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat=,lstart=,args='], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  return text.split('\n').flatMap((line) => {
    const [, pid, parent, started, command] =
      /^\s*(\d+)\s+(\d+)\s+[^Z\s]\S*\s+(\S+ \S+\s+\S+ \S+ \S+)\s+(.*)$/.exec(line) ?? []
    if (pid === undefined || parent === undefined || started === undefined || command === undefined) return []
    return [{ pid: Number(pid), parent: Number(parent), command, identity: `${pid} ${started}` }]
  })
}

function descendantsOf(pid: number): ProcessEntry[] {
  const all = processes()
  const found: ProcessEntry[] = []
  const parents = new Set([pid])
  for (let before = 0; parents.size > before;) {
    before = parents.size
    for (const entry of all) {
      if (parents.has(entry.pid) || !parents.has(entry.parent)) continue
      parents.add(entry.pid)
      found.push(entry)
    }
  }
  return found
}

function stillRunning(entries: readonly ProcessEntry[]): ProcessEntry[] {
  const alive = new Set(processes().map(({ identity }) => identity))
  return entries.filter(({ identity }) => alive.has(identity))
}

/** Every process the running demo has, checked to be all those it needs. */
function family(demo: Demo): ProcessEntry[] {
  const entries = descendantsOf(demo.pid)
  const commands = entries.map(({ command }) => command)
  for (const part of ['anvil', 'service-child', 'reporter', 'postgres']) {
    expect(commands.filter((command) => command.includes(part))).not.toEqual([])
  }
  return entries
}

async function nothingIsLeft(entries: readonly ProcessEntry[]): Promise<boolean> {
  return stillRunning(entries).length === 0 && (await readdir(folder)).length === 0
}

describe.skipIf(process.platform === 'win32')('tidemark demo', () => {
  it('watches busy wallets on two chains, takes snapshots, and leaves nothing after Ctrl-C', async () => {
    const demo = runDemo(['--port', '0'])
    const url = await firstBalance(demo)

    let balances: readonly WireCurrentBalance[] = []
    await until('every position has a balance', async () => {
      balances = (await get<WirePage<WireCurrentBalance>>(`${url}/api/balances?limit=500`)).items
      return balances.length >= 28
    })
    const namesOn = (chain: string): Set<string | undefined> =>
      new Set(balances.filter(({ chainId }) => chainId === chain).map(({ tokenSymbol }) => tokenSymbol))
    expect(namesOn('31337')).toEqual(new Set(['ETH', 'USDC', 'DAI', 'WETH']))
    expect(namesOn('31338')).toEqual(new Set(['POL', 'USDC', 'WPOL']))
    expect(new Set(balances.map(({ solverAddress }) => solverAddress)).size).toBe(4)
    expect(balances.find(({ tokenSymbol }) => tokenSymbol === 'USDC')?.decimals).toBe(6)

    await until('snapshots are stored', async () => {
      const { data } = await get<SnapshotListAnswer>(`${url}/api/balance/snapshot?limit=1`)
      return data.pagination.total >= 2 && data.snapshots[0]?.onsite['usd'] !== undefined
    })
    for (const chain of ['31337', '31338']) {
      const wallets = balances.filter(({ chainId, tokenAddress }) => chainId === chain && tokenAddress === 'native')
      await until(`history grows on chain ${chain}`, async () => {
        const histories = await Promise.all(
          wallets.map(({ solverAddress }) =>
            get<WirePage<WireBalanceRecord>>(`${url}/api/balances/${chain}/native/${solverAddress}/history`),
          ),
        )
        return histories.some(({ items }) => items.length >= 3)
      })
    }

    const entries = family(demo)
    process.kill(-demo.pid, 'SIGINT')
    expect(await demo.exited).toBe(0)
    expect(stillRunning(entries)).toEqual([])
    expect(await readdir(folder)).toEqual([])
    expect(demo.err).toBe('')
    expect(demo.out).toMatch(/^stopped after .*first balance after .*28 balances.*snapshots acknowledged/m)
  })

  it('leaves nothing after kill -9', async () => {
    const demo = runDemo(['--port', '0'])
    await firstBalance(demo)
    const entries = family(demo)
    demo.process.kill('SIGKILL')
    await demo.exited
    await until('all its processes and files are gone', () => nothingIsLeft(entries), 25_000)
  })

  it('leaves nothing when it is stopped in the middle of its start', async () => {
    const demo = runDemo(['--port', '0'])
    await until('its first file appears', async () => (await readdir(folder)).length > 0 || hasEnded(demo))
    demo.process.kill('SIGTERM')
    expect(await demo.exited).toBe(0)
    expect(demo.err).toBe('')
    expect(await readdir(folder)).toEqual([])
  })

  it('shows the last words of the service and fails when the service ends', async () => {
    const demo = runDemo(['--port', '0'])
    await firstBalance(demo)
    const entries = family(demo)
    const service = entries.find(({ command }) => command.includes('service-child'))
    if (service === undefined) throw new Error('expected the service among the processes')
    const data = (await readdir(folder)).find((name) => name.startsWith('tidemark-demo-'))
    await writeFile(join(folder, data ?? '', 'service.log'), 'the last words\n', { flag: 'a' })
    process.kill(service.pid, 'SIGKILL')
    expect(await demo.exited).toBe(1)
    expect(demo.err).toContain('signal SIGKILL')
    expect(demo.err).toContain('the last words')
    await until('all its processes and files are gone', () => nothingIsLeft(entries), 25_000)
  })

  it('tells once, and goes on, when a chain is lost', async () => {
    const demo = runDemo(['--port', '0'])
    const url = await firstBalance(demo)
    const node = family(demo).find(({ command }) => /^\S*anvil .*--chain-id 31338/.test(command))
    if (node === undefined) throw new Error('expected the second chain among the processes')
    process.kill(node.pid, 'SIGKILL')
    await until('the activity fails', () => demo.err.includes('problem: activity on Estuary'))
    await until('the service says so', async () => {
      const { items } = await get<WirePage<WireChain>>(`${url}/api/chains`)
      return items.map(({ state }) => state).join() === 'live,stalled'
    })
    process.kill(-demo.pid, 'SIGINT')
    expect(await demo.exited).toBe(0)
    expect(demo.err.match(/problem: activity on Estuary/g)).toHaveLength(1)
    expect(demo.out).toContain('the last one: activity on Estuary')
    expect(await readdir(folder)).toEqual([])
  })

  it('ends in good order when nobody reads its output any more', async () => {
    const demo = runDemo(['--port', '0'])
    await until('it is up', () => demo.out.includes('is up at') || hasEnded(demo), startTimeoutMs)
    demo.process.stdout?.destroy()
    expect(await demo.exited).toBe(0)
    expect(demo.err).toBe('')
    expect(await readdir(folder)).toEqual([])
  })

  it('stops by itself after --duration', async () => {
    const demo = runDemo(['--port', '0', '--duration', '1'])
    expect(await demo.exited).toBe(0)
    expect(demo.out).toMatch(/^stopped .*everything it made is removed$/m)
    expect(await readdir(folder)).toEqual([])
  })

  it('names the way out when the port is taken, and starts nothing', async () => {
    const other = createServer()
    other.listen({ host: '127.0.0.1', port: 0 })
    await once(other, 'listening')
    const address = other.address()
    if (typeof address !== 'object' || address === null) throw new Error('expected an address')
    try {
      const demo = runDemo(['--port', String(address.port)])
      expect(await demo.exited).toBe(2)
      expect(demo.err).toContain(`port ${address.port} of 127.0.0.1`)
      expect(demo.err).toContain('--port')
      expect(demo.out).toBe('')
    } finally {
      other.close()
    }
  })
})
