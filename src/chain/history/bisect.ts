/** What an account was at one block. */
export interface StatePoint {
  readonly number: bigint
  readonly balance: bigint
  /** Differs whenever the account's nonce does; a constant where the nonce tells nothing. */
  readonly fingerprint: bigint
}

/** The blocks after `low`, up to `high`, of the account with that index. */
export interface StateInterval {
  readonly index: number
  readonly low: StatePoint
  readonly high: StatePoint
}

export interface WantedState {
  readonly index: number
  /** False where the nonce is the same at both ends, and so between. */
  readonly withFingerprint: boolean
}

/** Reads states, by block and in the order of what is wanted there; null for one that cannot be read. */
export type ReadStates = (
  wanted: ReadonlyMap<bigint, readonly WantedState[]>,
) => Promise<ReadonlyMap<bigint, readonly (Omit<StatePoint, 'number'> | null)[]>>

/**
 * Narrows every difference down to the block that made it, all accounts together: at each level every block in question
 * is read once for all accounts that are open there.
 *
 * An account without code loses its own currency only in blocks in which its nonce rises. With an equal nonce at both
 * ends its balance never falls between them, so that equal balances prove that nothing changed. For such accounts the
 * result has every change. Anything else may have changed and changed back within an interval with equal ends.
 *
 * @param mayRead asked before each level; an interval that may not be read stays as wide as it is
 * @returns the intervals whose ends differ, ascending for each account: one block wide where they could be read
 */
export async function bisect(
  intervals: readonly StateInterval[],
  read: ReadStates,
  mayRead: (interval: StateInterval) => boolean = () => true,
): Promise<readonly StateInterval[]> {
  const steps: StateInterval[] = []
  let open = intervals.filter(differs)
  while (open.length > 0) {
    const wide = open.filter((interval) => isWide(interval) && mayRead(interval))
    const halved = new Set(wide)
    steps.push(...open.filter((interval) => !halved.has(interval)))
    open = []
    for (const { interval, middle } of await readMiddles(wide, read)) {
      if (middle === null) steps.push(interval)
      else
        open.push(
          ...[
            { ...interval, high: middle },
            { ...interval, low: middle },
          ].filter(differs),
        )
    }
  }
  return steps.toSorted((a, b) => a.index - b.index || (a.high.number < b.high.number ? -1 : 1))
}

function differs({ low, high }: StateInterval): boolean {
  return low.balance !== high.balance || low.fingerprint !== high.fingerprint
}

function isWide({ low, high }: StateInterval): boolean {
  return high.number - low.number > 1n
}

async function readMiddles(
  wide: readonly StateInterval[],
  read: ReadStates,
): Promise<readonly { readonly interval: StateInterval; readonly middle: StatePoint | null }[]> {
  const byBlock = new Map<bigint, StateInterval[]>()
  for (const interval of wide) {
    const middle = (interval.low.number + interval.high.number) / 2n
    const same = byBlock.get(middle)
    if (same === undefined) byBlock.set(middle, [interval])
    else same.push(interval)
  }
  const wanted = new Map(
    [...byBlock].map(([number, same]) => [
      number,
      same.map(({ index, low, high }) => ({ index, withFingerprint: low.fingerprint !== high.fingerprint })),
    ]),
  )
  const states = wanted.size === 0 ? new Map<bigint, never[]>() : await read(wanted)
  return [...byBlock].flatMap(([number, same]) =>
    same.map((interval, place) => {
      const state = states.get(number)?.[place] ?? null
      if (state === null) return { interval, middle: null }
      const equal = interval.low.fingerprint === interval.high.fingerprint
      const fingerprint = equal ? interval.low.fingerprint : state.fingerprint
      return { interval, middle: { number, balance: state.balance, fingerprint } }
    }),
  )
}
