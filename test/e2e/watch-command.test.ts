import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { WireBalanceChange } from '../../src/api/event-wire.js'
import { toChecksumAddress } from '../../src/model/address.js'
import { balanceAt, createWorld, startAnvil } from '../../src/testing/index.js'
import type { Anvil, World } from '../../src/testing/index.js'
import { temporaryFolder } from '../support/service.js'
import type { ServiceProcess } from '../support/service.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'
import { createService } from './chain-service.js'
import type { ServiceUnderTest } from './chain-service.js'
import { expectedRecords } from './chain-truth.js'
import { commandLine, runIntoHead } from './command-line.js'
import type { CommandLine } from './command-line.js'

let anvil: Anvil
let world: World
let database: TestDatabase
let service: ServiceUnderTest
let folder: string
/** Asks the running service. */
let asking: CommandLine
/** Reads the database. */
let alone: CommandLine

const chain = '31337'

beforeAll(async () => {
  anvil = await startAnvil({ blockTimeSeconds: 'manual' })
  world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 72, solverCount: 2 })
  database = await createTestDatabase()
  folder = await temporaryFolder()
  service = await createService({
    DATABASE_URL: database.url,
    [`CHAIN_${chain}_RPC_URL`]: anvil.rpcUrl,
    [`CHAIN_${chain}_POLL_INTERVAL_MS`]: '50',
    [`CHAIN_${chain}_NAME`]: 'Testland',
    [`CHAIN_${chain}_TOKENS`]: String(world.tokens[0]?.address),
    SOLVER_ADDRESSES: `hot=${world.solvers[0]}`,
  })
  await service.start()
  await reached(world.setupBlock)
  asking = commandLine(folder, { TIDEMARK_URL: service.url })
  alone = commandLine(folder, { DATABASE_URL: database.url })
})

afterAll(async () => {
  for (const command of commands) if (command.child.exitCode === null) command.kill('SIGKILL')
  await service.dispose()
  await database.drop()
  await anvil.stop()
  await rm(folder, { recursive: true, force: true })
})

async function reached(block: bigint): Promise<void> {
  await until(`block ${block} is processed`, async () => {
    const { items } = await service.get<{ items: { processed: string | null }[] }>('/api/chains')
    return BigInt(items[0]?.processed ?? -1) >= block
  })
}

/** Pays the watched wallet, in a block of its own. */
async function pay(amount: bigint): Promise<bigint> {
  await world.perform([{ kind: 'native-in', solver: wallet(), amount }])
  return await world.mine()
}

function wallet(): `0x${string}` {
  const [solver] = world.solvers
  if (solver === undefined) throw new Error('expected a wallet')
  return solver
}

function usdc(): `0x${string}` {
  const [token] = world.tokens
  if (token === undefined) throw new Error('expected a token')
  return token.address
}

const commands: ServiceProcess[] = []

async function watching(process: ServiceProcess): Promise<ServiceProcess> {
  commands.push(process)
  await until('the command watches', () => /Watching \d balances?; Ctrl-C ends it\./.test(process.log()))
  return process
}

describe('tidemark watch', () => {
  it('writes each change once and in order, across a kill -9 of the service, until Ctrl-C', async () => {
    const command = await watching(asking.start(['watch', '--json']))
    const first = await pay(1_000n)
    await reached(first)
    await until('the first change is written', () => command.stdout().includes('\n'))
    await service.kill()
    for (const amount of [2_000n, 3_000n]) await pay(amount)
    await service.start()
    const last = await pay(4_000n)
    await reached(last)
    const expected = await expectedRecords(anvil.rpcUrl, [{ token: 'native', solver: wallet() }], [first - 1n, last])
    const written = (): WireBalanceChange[] =>
      command
        .stdout()
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as WireBalanceChange)
    await until('all changes are written', () => written().length >= expected.length - 1)
    command.kill('SIGINT')
    expect(await command.exited()).toEqual({ code: 0, signal: null })
    const told = written().map(({ newBalance, previousBalance, blockNumber }) => [
      newBalance,
      previousBalance,
      blockNumber,
    ])
    expect(told).toEqual(
      expected.slice(1).map((record) => [record.balance, record.previousBalance, record.blockNumber].map(String)),
    )
    expect(written()).toMatchObject(told.map(() => ({ event: 'balance:updated', tokenAddress: 'native' })))
  })

  it('writes one line for each change of what is named, out of the database too', async () => {
    const command = await watching(alone.start(['watch', 'testland', 'eth', 'hot']))
    // In the same block: what is not named.
    await world.perform([{ kind: 'token-in', token: usdc(), solver: wallet(), amount: 1n }])
    const block = await pay(5n * 10n ** 17n)
    const balance = await balanceAt(anvil.rpcUrl, { token: 'native', solver: wallet() }, block)
    await until('the change is written', () => command.stdout().includes('\n'))
    command.kill('SIGTERM')
    expect(await command.exited()).toEqual({ code: 0, signal: null })
    const whole = (balance / 10n ** 18n).toString()
    expect(command.stdout()).toMatch(
      new RegExp(
        `^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d {2}hot \\w+ on Testland {2}\\+0\\.500000 → ${whole}\\.\\d{6} {2}block ${block} {2}0x\\w{64}\\n$`,
      ),
    )
  })

  it('ends quietly when its reader has seen enough', async () => {
    const ended = runIntoHead(['watch'], 1, { cwd: folder, env: { TIDEMARK_URL: service.url } })
    // Whoever does not read is only noticed when there is something to write.
    let isEnded = false
    void ended.then(() => (isEnded = true))
    await until('it has ended', async () => {
      await pay(1n)
      return isEnded
    })
    expect(await ended).toMatchObject({ code: 0, told: 'Watching 2 balances; Ctrl-C ends it.\n' })
  })

  it.skipIf(!existsSync('/usr/bin/script'))(
    'keeps a table up to date on a terminal, in colour unless told',
    async () => {
      for (const colours of [true, false]) {
        const screen = openTerminal(['watch'], colours)
        await until('the table stands', () => screen.text().includes('2 balances'))
        await pay(10n ** 18n)
        await until('the change is shown', () => screen.text().includes('+1.000000'))
        screen.interrupt()
        expect(await screen.exited).toBe(0)
        expect(screen.text()).toMatch(/SOLVER WALLET.*TOKEN.*CHAIN.*BALANCE.*LAST CHANGE.*AGE/)
        expect(screen.text().includes('\u001b[32m')).toBe(colours)
      }
    },
  )
})

/** Runs a command on a terminal of 120 columns. */
function openTerminal(
  args: readonly string[],
  colours: boolean,
): { text(): string; interrupt(): void; readonly exited: Promise<number | null> } {
  const program = [process.execPath, resolve(import.meta.dirname, '../../dist/cli/main.js'), ...args].join(' ')
  const child = spawn('/usr/bin/script', ['-qefc', `stty cols 120 rows 20; exec ${program}`, '/dev/null'], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'],
      TERM: 'xterm-256color',
      TIDEMARK_URL: service.url,
      ...(colours ? {} : { NO_COLOR: '1' }),
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (data: Buffer) => (text += data.toString()))
  return {
    text: () => text,
    // The terminal makes a signal of it.
    interrupt: () => void child.stdin.write('\u0003'),
    exited: new Promise((done) => child.on('exit', done)),
  }
}

describe('tidemark solvers and tokens', () => {
  it('add and remove what is then watched by the running service, through it or beside it', async () => {
    const solver = world.solvers[1] ?? wallet()
    const token = world.tokens[1]?.address ?? wallet()
    const added = await Promise.all([
      alone.run(['solvers', 'add', solver, '--label', 'cold']),
      asking.run(['tokens', 'add', 'testland', token]),
    ])
    expect(added).toMatchObject([
      { code: 0, out: '' },
      { code: 0, out: '' },
    ])
    const block = await pay(1n)
    await reached(block)
    const [[held], solvers, tokens] = await Promise.all([
      alone.json<Record<string, unknown>[]>(['balance', chain, token, 'cold']),
      asking.json(['solvers', 'list']),
      alone.json(['tokens', 'list']),
    ])
    expect(held).toMatchObject({
      balance: String(await balanceAt(anvil.rpcUrl, { token, solver }, block)),
      label: 'cold',
    })
    expect(solvers).toEqual([
      { address: toChecksumAddress(wallet()), label: 'hot', origin: 'config' },
      { address: toChecksumAddress(solver), label: 'cold', origin: 'runtime' },
    ])
    expect(tokens).toMatchObject([
      { origin: 'config', chainName: 'Testland' },
      { tokenAddress: toChecksumAddress(token), origin: 'runtime' },
    ])
    const removed = await Promise.all([
      asking.run(['solvers', 'remove', 'cold']),
      alone.run(['tokens', 'remove', chain, token]),
    ])
    expect(removed).toMatchObject([
      { code: 0, out: '' },
      { code: 0, out: '' },
    ])
    expect((await service.get<{ items: unknown[] }>('/api/solvers')).items).toHaveLength(1)
    expect((await service.get<{ items: unknown[] }>(`/api/chains/${chain}/tokens`)).items).toHaveLength(1)
  })

  it('refuse to remove what stands in the configuration, and say how to', async () => {
    const refused = await Promise.all([
      asking.run(['solvers', 'remove', 'hot']),
      alone.run(['tokens', 'remove', chain, 'USDC']),
      alone.run(['solvers', 'add', wallet(), '--label', 'a\u001bb']),
    ])
    expect(refused.map(({ code, out }) => [code, out])).toEqual([
      [2, ''],
      [2, ''],
      [2, ''],
    ])
    expect(refused[0]?.told).toMatch(/stands in the configuration: take it out of SOLVER_ADDRESSES/)
    expect(refused[1]?.told).toMatch(/stands in the configuration: take it out of <CHAIN>_TOKENS/)
    expect(refused[2]?.told).toMatch(/--label: expected a label of 1 to 64 characters/)
  })
})
