import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { anvilGuardProgram } from '../../src/testing/anvil-guard.js'
import { createRpc } from '../../src/testing/rpc.js'
import { buildFolder, serverBuilds, whyMissing } from '../servers/server-builds.js'
import { until } from './until.js'

/** A real geth that makes a block every second, with one rich account of its own. */
export interface Geth {
  readonly chainId: bigint
  readonly rpcUrl: string
  readonly wsUrl: string
  stop(): Promise<void>
}

const STOP_GRACE_MS = 5000

/** The program of `GETH_BIN`, or the one that `npm run test:servers geth` built. */
function gethBinary(): string {
  const told = process.env['GETH_BIN']
  return told === undefined || told === '' ? join(buildFolder(serverBuilds.geth), 'geth') : told
}

/** Why there is no geth to be started, in words; null when there is one. */
export function whyNoGeth(): string | null {
  if (existsSync(gethBinary())) return null
  return process.env['GETH_BIN'] === undefined ? whyMissing('geth') : 'GETH_BIN names a file that does not exist'
}

export async function startGeth(ports: { readonly http: number; readonly ws: number }): Promise<Geth> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-geth-'))
  const args = [
    `--dev --dev.period 1 --datadir ${join(folder, 'data')} --ipcdisable --port 0 --nodiscover --maxpeers 0`,
    `--http --http.addr 127.0.0.1 --http.port ${ports.http} --http.api eth,net,web3,debug,txpool`,
    `--ws --ws.addr 127.0.0.1 --ws.port ${ports.ws} --ws.api eth,net`,
    '--authrpc.port 0 --verbosity 2',
  ].flatMap((line) => line.split(' '))
  // The guard ends geth and removes its folder when this process ends, however it does.
  const guard = spawn(process.execPath, ['-e', anvilGuardProgram, folder, `${STOP_GRACE_MS}`, gethBinary(), ...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [guard.stdout, guard.stderr]) {
    stream.on('data', (data: Buffer) => (said = (said + data.toString()).slice(-4000)))
  }
  const stop = async (): Promise<void> => {
    if (guard.exitCode !== null || guard.signalCode !== null) return
    const exited = once(guard, 'exit')
    guard.stdin.end()
    await exited
  }
  const rpcUrl = `http://127.0.0.1:${ports.http}`
  try {
    await until('geth answers', async () => {
      if (guard.exitCode !== null) throw new Error(`geth ended with code ${guard.exitCode}: ${said}`)
      const head = createRpc(rpcUrl).quantity('eth_blockNumber')
      return head.then((number) => number > 0n).catch(() => false)
    })
    const chainId = await createRpc(rpcUrl).quantity('eth_chainId')
    return { chainId, rpcUrl, wsUrl: `ws://127.0.0.1:${ports.ws}`, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
