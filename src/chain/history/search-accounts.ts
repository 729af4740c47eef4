import { bisect } from './bisect.js'
import type { StateInterval, WantedState } from './bisect.js'
import type { BlockPins } from './block-pins.js'
import type { BlockReader } from './block-reader.js'
import { balanceQuery } from './found-change.js'
import type { SearchedPosition } from './found-change.js'
import type { PastAnswer, PastQuery } from './past-query.js'

/** Blocks of one slice that are read only for positions of which nothing can be proven. */
export const UNPROVEN_BLOCKS_MAX = 128

/**
 * Chains on which an account without code may lose its own currency in a block in which its nonce does not rise: accounts
 * are contracts there (zkSync and its kin), or a token contract moves the currency (Celo, Metis, Moonbeam and its kin), or
 * modules beside the EVM do (Cosmos).
 */
const UNPROVABLE_CHAINS: ReadonlySet<bigint> = new Set([
  324n, // zkSync Era
  300n, // zkSync Sepolia
  232n, // Lens
  388n, // Cronos zkEVM
  2741n, // Abstract
  11_124n, // Abstract testnet
  50_104n, // Sophon
  42_220n, // Celo
  44_787n, // Celo Alfajores
  11_142_220n, // Celo Sepolia
  1284n, // Moonbeam
  1285n, // Moonriver
  1287n, // Moonbase
  1088n, // Metis
  25n, // Cronos
  338n, // Cronos testnet
  2222n, // Kava
  7700n, // Canto
  9001n, // Evmos
  1329n, // Sei
])

export interface AccountSpan {
  readonly position: SearchedPosition
  readonly balanceBefore: bigint
  readonly balanceAfter: bigint
}

export interface AccountSteps {
  /** Ascending; one block wide each, unless `exact` is false. */
  readonly steps: readonly StateInterval[]
  /** True where it is proven that no change is missing. */
  readonly exact: boolean
}

/**
 * Finds the changes of the chain's own currency by bisection. They are proven to be all of them for accounts without code
 * at both ends and at each block between in which the nonce rose: between two of those, code can come and go only by a
 * transaction of the account, which would raise its nonce. An address whose nonce is 0 throughout is taken for such an
 * account until it is seen to lose something: then it is a contract that is made and destroyed there, within one
 * transaction, and may have been so at any time. One that lost only what it had received unseen deceives this.
 */
export async function searchAccounts(
  reader: BlockReader,
  pins: BlockPins,
  accounts: readonly AccountSpan[],
): Promise<readonly AccountSteps[]> {
  const edges = await readEdges(reader, pins, accounts)
  const intervals = accounts.map(({ balanceBefore, balanceAfter }, index): StateInterval => {
    const edge = edges[index]
    const [low, high] = edge === undefined || edge === null ? [0n, 0n] : [edge.low, edge.high]
    return {
      index,
      low: { number: pins.from.number, balance: balanceBefore, fingerprint: low },
      high: { number: pins.to.number, balance: balanceAfter, fingerprint: high },
    }
  })
  const positions = accounts.map(({ position }) => position)
  const provable = (index: number): boolean => (edges[index] ?? null) !== null
  const steps = await bisectPositions(reader, { positions, intervals, provable })
  const coded = await codedBetween(
    reader,
    steps.filter(({ index }) => provable(index)),
    positions,
  )
  return accounts.map((_, index) => {
    const own = steps.filter((step) => step.index === index)
    const narrow = own.every(({ low, high }) => high.number - low.number === 1n)
    return { steps: own, exact: provable(index) && narrow && !coded.has(index) && !own.some(isTaken) }
  })
}

/** Whether something left an account that sent nothing: it does not take the account's own transaction to do that. */
function isTaken({ low, high }: StateInterval): boolean {
  return high.balance < low.balance && high.fingerprint === low.fingerprint
}

export interface PositionIntervals {
  readonly positions: readonly SearchedPosition[]
  readonly intervals: readonly StateInterval[]
  /** False for positions whose reading is limited, because nothing is proven by it. */
  readonly provable: (index: number) => boolean
}

/** Bisection with the reader's blocks. */
export function bisectPositions(
  reader: BlockReader,
  { positions, intervals, provable }: PositionIntervals,
): Promise<readonly StateInterval[]> {
  const unproven = new Set<bigint>()
  const mayRead = ({ index, low, high }: StateInterval): boolean => {
    if (provable(index)) return true
    const middle = (low.number + high.number) / 2n
    if (!unproven.has(middle) && unproven.size >= UNPROVEN_BLOCKS_MAX) return false
    unproven.add(middle)
    return true
  }
  return bisect(intervals, (wanted) => readStates(reader, positions, wanted), mayRead)
}

async function readStates(
  reader: BlockReader,
  positions: readonly SearchedPosition[],
  wanted: ReadonlyMap<bigint, readonly WantedState[]>,
): Promise<ReadonlyMap<bigint, readonly ({ readonly balance: bigint; readonly fingerprint: bigint } | null)[]>> {
  const queriesOf = ({ index, withFingerprint }: WantedState): readonly PastQuery[] => {
    const position = positions[index]
    if (position === undefined) throw new Error('invariant: a position for each interval')
    const balance = balanceQuery(position)
    return withFingerprint ? [balance, { subject: 'fingerprint', account: position.solver }] : [balance]
  }
  const answers = await reader.read(new Map([...wanted].map(([number, states]) => [number, states.flatMap(queriesOf)])))
  return new Map(
    [...wanted].map(([number, states]) => {
      const left = [...(answers.get(number) ?? [])]
      const found = states.map(({ withFingerprint }) => {
        const balance = left.shift()
        const fingerprint = withFingerprint ? left.shift() : zero
        if (balance?.kind !== 'value' || fingerprint?.kind !== 'value') return null
        return { balance: balance.value, fingerprint: fingerprint.value }
      })
      return [number, found]
    }),
  )
}

const zero: PastAnswer = { kind: 'value', value: 0n }

/** Fingerprints at both ends; null for accounts of which nothing can be proven. */
async function readEdges(
  reader: BlockReader,
  { from, to }: BlockPins,
  accounts: readonly AccountSpan[],
): Promise<readonly ({ readonly low: bigint; readonly high: bigint } | null)[]> {
  const provable = accounts.filter(({ position }) => !UNPROVABLE_CHAINS.has(position.chainId))
  if (provable.length === 0) return accounts.map(() => null)
  const fingerprints = provable.map(({ position }): PastQuery => ({ subject: 'fingerprint', account: position.solver }))
  const codes = provable.map(({ position }): PastQuery => ({ subject: 'code', account: position.solver }))
  // Code placed for the fingerprints would be seen as the accounts' own: their code is read by a call of its own.
  const answers = await reader.read(
    new Map([
      [from.number, fingerprints],
      [to.number, fingerprints],
    ]),
  )
  const sizes = await reader.read(
    new Map([
      [from.number, codes],
      [to.number, codes],
    ]),
  )
  const found = provable.map((_, index) => {
    const [low, high] = [answers.get(from.number)?.[index], answers.get(to.number)?.[index]]
    const plain = [sizes.get(from.number)?.[index], sizes.get(to.number)?.[index]].every(
      (size) => size?.kind === 'value' && size.value === 0n,
    )
    return plain && low?.kind === 'value' && high?.kind === 'value' ? { low: low.value, high: high.value } : null
  })
  const byPosition = new Map(provable.map(({ position }, index) => [position, found[index] ?? null]))
  return accounts.map(({ position }) => byPosition.get(position) ?? null)
}

/** Accounts that had code, or lent themselves to some, after one of the blocks in which their nonce rose. */
async function codedBetween(
  reader: BlockReader,
  steps: readonly StateInterval[],
  positions: readonly SearchedPosition[],
): Promise<ReadonlySet<number>> {
  const sent = steps.filter(({ low, high }) => low.fingerprint !== high.fingerprint)
  const byBlock = new Map<bigint, number[]>()
  for (const { index, high } of sent) byBlock.set(high.number, [...(byBlock.get(high.number) ?? []), index])
  const answers = await reader.read(
    new Map(
      [...byBlock].map(([number, indexes]) => [
        number,
        indexes.flatMap((index): PastQuery[] => {
          const account = positions[index]?.solver
          return account === undefined ? [] : [{ subject: 'code', account }]
        }),
      ]),
    ),
  )
  const coded = new Set<number>()
  for (const [number, indexes] of byBlock) {
    indexes.forEach((index, place) => {
      const size = answers.get(number)?.[place]
      if (size?.kind !== 'value' || size.value !== 0n) coded.add(index)
    })
  }
  return coded
}
