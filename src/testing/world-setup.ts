import { encodeDeployData, encodeFunctionData, getContractAddress, type Hex, parseEther, parseUnits } from 'viem'
import { type Address, parseAddress } from '../model/address.js'
import { splitter, testToken, weth9 } from './contracts/artifacts.js'
import { WorldError } from './errors.js'
import type { Rpc } from './rpc.js'
import { split } from './world-action.js'
import { awaitBlocks, type MiningMode, readReceipt, type Receipt } from './world-receipt.js'
import type { Sender, WorldTransaction } from './world-sender.js'

export interface WorldTokenSpec {
  readonly name: string
  readonly symbol: string
  readonly decimals: number
}

export interface WorldToken extends WorldTokenSpec {
  readonly address: Address
}

export interface WorldSetup {
  /** The plain tokens in the order asked for; last the wrapped native currency. */
  readonly tokens: readonly WorldToken[]
  readonly wrapped: WorldToken
  readonly splitter: Address
}

export interface WorldSetupOptions {
  readonly rpc: Rpc
  readonly sender: Sender
  readonly mining: MiningMode
  readonly treasury: Address
  readonly solvers: readonly Address[]
  readonly counterparties: readonly Address[]
  readonly tokens: readonly WorldTokenSpec[]
  readonly nativeSymbol: string
}

const solverNative = parseEther('10')
const solverTokenUnits = '10000'
const counterpartyNative = parseEther('1000000')
const counterpartyTokenUnits = '1000000000'
const counterpartyWrapped = parseEther('100000')
const deployGas = 2_000_000n
/** Keeps one funding transaction well below the gas of a block. */
const walletsPerTransaction = 100
/** Keeps one batch of funding transactions well below the node's limit for a request body. */
const transactionsPerBatch = 20

/** Deploys the contracts and gives every wallet what it needs; done when all of it is in blocks. */
export async function setUpWorld(options: WorldSetupOptions): Promise<WorldSetup> {
  const { rpc, treasury, counterparties, nativeSymbol } = options
  // No one watches the treasury, so its balance may be changed in place.
  await rpc.request('anvil_setBalance', [treasury, `0x${parseEther('1000000000').toString(16)}`])
  const nonce = await rpc.quantity('eth_getTransactionCount', [treasury, 'pending'])
  const addressAt = (index: number): Address => contractAddress(treasury, nonce + BigInt(index))
  const plain = options.tokens.map((spec, index) => ({ ...spec, address: addressAt(index) }))
  const wrapped = {
    name: `Wrapped ${nativeSymbol}`,
    symbol: `W${nativeSymbol}`,
    decimals: 18,
    address: addressAt(plain.length),
  }
  const setup = { tokens: [...plain, wrapped], wrapped, splitter: addressAt(plain.length + 1) }
  await runAll(options, [...deployments(plain, wrapped, treasury), ...funding(options, plain, setup.splitter)])
  const data = encodeFunctionData({ abi: weth9.abi, functionName: 'deposit' })
  await runAll(
    options,
    counterparties.map((from) => ({ from, to: wrapped.address, value: counterpartyWrapped, data, gas: 70_000n })),
  )
  return setup
}

/** In the order of their addresses: these must be the treasury's very next transactions. */
function deployments(plain: readonly WorldToken[], wrapped: WorldToken, from: Address): WorldTransaction[] {
  const tokens = plain.map(({ name, symbol, decimals }) =>
    encodeDeployData({ ...testToken, args: [name, symbol, decimals] }),
  )
  const code: Hex[] = [
    ...tokens,
    encodeDeployData({ ...weth9, args: [wrapped.name, wrapped.symbol] }),
    encodeDeployData(splitter),
  ]
  return code.map((data) => ({ from, data, gas: deployGas }))
}

function funding(options: WorldSetupOptions, plain: readonly WorldToken[], payer: Address): WorldTransaction[] {
  const { treasury, solvers, counterparties } = options
  const mint = (token: WorldToken, to: readonly Address[], units: string): WorldTransaction => {
    const args = [to, parseUnits(units, token.decimals)] as const
    const data = encodeFunctionData({ abi: testToken.abi, functionName: 'mintMany', args })
    return { from: treasury, to: token.address, data, gas: 80_000n + 35_000n * BigInt(to.length) }
  }
  const groups = Array.from({ length: Math.ceil(solvers.length / walletsPerTransaction) }, (_, index) =>
    solvers.slice(index * walletsPerTransaction, (index + 1) * walletsPerTransaction),
  )
  return [
    split(payer, treasury, counterparties, counterpartyNative),
    ...plain.map((token) => mint(token, counterparties, counterpartyTokenUnits)),
    ...groups.map((group) => split(payer, treasury, group, solverNative)),
    ...plain.flatMap((token) => groups.map((group) => mint(token, group, solverTokenUnits))),
  ]
}

async function runAll(options: WorldSetupOptions, transactions: readonly WorldTransaction[]): Promise<void> {
  const { rpc, sender, mining } = options
  for (let start = 0; start < transactions.length; start += transactionsPerBatch) {
    const hashes = await sender.send(transactions.slice(start, start + transactionsPerBatch))
    let receipts: (Receipt | null)[] = []
    await awaitBlocks(rpc, mining, async () => {
      receipts = await Promise.all(hashes.map((hash) => readReceipt(rpc, hash)))
      return !receipts.includes(null)
    })
    const failed = receipts.findIndex((receipt) => receipt?.succeeded !== true)
    if (failed !== -1)
      throw new WorldError(`expected the world to be set up, got a failed transaction ${hashes[failed]}`)
  }
}

function contractAddress(from: Address, nonce: bigint): Address {
  const address = parseAddress(getContractAddress({ from, nonce }))
  if (address === null) throw new WorldError(`expected the address of contract ${nonce} of ${from}, got none`)
  return address
}
