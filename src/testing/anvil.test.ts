import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { anvilBinary } from './anvil-binary.js'
import { type Anvil, type AnvilOptions, startAnvil } from './anvil.js'
import { createRpc } from './rpc.js'

const started: Anvil[] = []

async function start(options?: AnvilOptions): Promise<Anvil> {
  const anvil = await startAnvil(options)
  started.push(anvil)
  return anvil
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((anvil) => anvil.stop()))
})

/** A process that ended but was not yet collected by its parent runs no more: it counts as gone. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  const status = `/proc/${pid}/status`
  return !existsSync(status) || !/^State:\s+Z/m.test(readFileSync(status, 'utf8'))
}

async function until(condition: () => boolean, timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`expected ${condition.toString()} within ${timeoutMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe('startAnvil', { timeout: 60_000 }, () => {
  it('answers over HTTP and WebSocket with the chain id it was given', async () => {
    const anvil = await start({ chainId: 137n })
    expect(anvil.chainId).toBe(137n)
    expect(await createRpc(anvil.rpcUrl).quantity('eth_chainId')).toBe(137n)
    const socket = new WebSocket(anvil.wsUrl)
    await once(socket, 'open')
    socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] }))
    const [answer] = await once(socket, 'message')
    expect(JSON.parse(String(answer))).toMatchObject({ result: '0x89' })
    socket.close()
  })

  it('gives each chain a port and a process of its own', async () => {
    const [one, two] = await Promise.all([start(), start()])
    expect(one.rpcUrl).not.toBe(two.rpcUrl)
    expect(one.pid).not.toBe(two.pid)
  })

  it('mines each transaction at once by default', async () => {
    const rpc = createRpc((await start()).rpcUrl)
    await sendOne(rpc)
    await awaitBlock(rpc, 1n)
  })

  it('mines only when told with manual mining', async () => {
    const rpc = createRpc((await start({ blockTimeSeconds: 'manual' })).rpcUrl)
    await sendOne(rpc)
    expect(await rpc.quantity('eth_blockNumber')).toBe(0n)
    await rpc.request('evm_mine')
    expect(await rpc.quantity('eth_blockNumber')).toBe(1n)
  })

  it('mines by time with a fractional block time', async () => {
    await awaitBlock(createRpc((await start({ blockTimeSeconds: 0.05 })).rpcUrl), 3n)
  })

  it('follows with safe and finalized within two short epochs', async () => {
    const rpc = createRpc((await start()).rpcUrl)
    await rpc.request('anvil_mine', ['0x14'])
    expect(await rpc.request('eth_getBlockByNumber', ['safe', false])).toMatchObject({ number: '0xc' })
    expect(await rpc.request('eth_getBlockByNumber', ['finalized', false])).toMatchObject({ number: '0x4' })
  })

  it('ends the process and frees the port when stopped, also twice and at the same moment', async () => {
    const anvil = await start()
    await Promise.all([anvil.stop(), anvil.stop()])
    await anvil.stop()
    expect(isAlive(anvil.pid)).toBe(false)
    const again = await start({ port: Number(new URL(anvil.rpcUrl).port) })
    expect(again.rpcUrl).toBe(anvil.rpcUrl)
  })

  it('ends a process that is halted and takes no request to end', { skip: process.platform === 'win32' }, async () => {
    const anvil = await start()
    process.kill(anvil.pid, 'SIGSTOP')
    await anvil.stop()
    expect(isAlive(anvil.pid)).toBe(false)
  })

  it('says so in the log when the chain ends by itself, and can still be stopped', async () => {
    const warnings: object[] = []
    const logger = {
      debug() {},
      info() {},
      warn: (fields: object) => void warnings.push(fields),
      error() {},
      child: () => logger,
    }
    const anvil = await start({ logger })
    process.kill(anvil.pid, 'SIGKILL')
    await until(() => warnings.length === 1)
    expect(warnings[0]).toMatchObject({ pid: anvil.pid })
    await anvil.stop()
  })

  it('ends the node also when its guard is killed', { skip: process.platform !== 'linux' }, async () => {
    const anvil = await start()
    const guard = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${anvil.pid}/status`, 'utf8'))?.[1])
    expect(guard).not.toBe(process.pid)
    process.kill(guard, 'SIGKILL')
    await until(() => !isAlive(anvil.pid))
    await anvil.stop()
  })

  it('refuses a port that is taken and tells what the program wrote', async () => {
    const anvil = await start()
    const port = Number(new URL(anvil.rpcUrl).port)
    await expect(startAnvil({ port })).rejects.toMatchObject({
      code: 'anvil',
      message: expect.stringMatching(/in use/),
    })
  })
})

describe('a chain and its owner', { timeout: 60_000 }, () => {
  /** Starts a chain in a Node process of its own whose temporary folder we can look into. */
  async function startOwner(
    lastWords: string,
  ): Promise<{ owner: ReturnType<typeof spawn>; pid: number; folder: string }> {
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-anvil-owner-'))
    folders.push(folder)
    await mkdir(join(folder, 'tmp'))
    const module = JSON.stringify(new URL('./anvil.ts', import.meta.url).href)
    const program = `import { startAnvil } from ${module}
      const anvil = await startAnvil({ blockTimeSeconds: 0.1 })
      process.stdout.write(anvil.pid + '\\n')
      ${lastWords}`
    const owner = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: join(folder, 'tmp'), TEMP: join(folder, 'tmp'), TMP: join(folder, 'tmp') },
    })
    owners.push(owner)
    const [text] = await once(owner.stdout, 'data')
    return { owner, pid: Number(String(text)), folder }
  }

  const folders: string[] = []
  const owners: ReturnType<typeof spawn>[] = []
  const anvilFolders = (folder: string): string[] =>
    readdirSync(join(folder, 'tmp')).filter((name) => name.startsWith('tidemark-anvil-'))

  afterEach(async () => {
    for (const owner of owners.splice(0)) owner.kill('SIGKILL')
    await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })))
  })

  it('ends, and leaves no file, when its owner is killed with SIGKILL', async () => {
    const { owner, pid, folder } = await startOwner('setInterval(() => {}, 1000)')
    expect(isAlive(pid)).toBe(true)
    expect(anvilFolders(folder)).toHaveLength(1)
    owner.kill('SIGKILL')
    await until(() => !isAlive(pid))
    await until(() => anvilFolders(folder).length === 0)
  })

  it('does not keep an owner running that forgot to stop it', async () => {
    const { owner, pid, folder } = await startOwner('')
    const code = owner.exitCode ?? (await once(owner, 'exit'))[0]
    expect(code).toBe(0)
    await until(() => !isAlive(pid))
    await until(() => anvilFolders(folder).length === 0)
  })
})

describe('anvilBinary', () => {
  it('is a file on this platform', () => {
    expect(existsSync(anvilBinary())).toBe(true)
  })

  it('names the missing package on a platform without one', () => {
    expect(() => anvilBinary('sunos', 'sparc')).toThrow('expected the npm package @foundry-rs/anvil-sunos-sparc')
  })
})

const [alice, bob] = ['0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266', '0x70997970c51812dc3a010c7d01b50e0d17dc79c8']

async function sendOne(rpc: ReturnType<typeof createRpc>): Promise<void> {
  await rpc.request('eth_sendTransaction', [{ from: alice, to: bob, value: '0x1', gas: '0x5208' }])
}

async function awaitBlock(rpc: ReturnType<typeof createRpc>, number: bigint): Promise<void> {
  const deadline = Date.now() + 15_000
  while ((await rpc.quantity('eth_blockNumber')) < number) {
    if (Date.now() > deadline) throw new Error(`expected block ${number} within 15 s`)
  }
}
