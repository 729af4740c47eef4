import type { WireCurrentBalance } from '../client/index.js'
import { formatAmount } from '../index.js'
import { amountText } from './terminal/amount-text.js'
import { chainName, tokenName } from './terminal/position-names.js'
import { span } from './terminal/styled-line.js'
import type { TableColumn } from './terminal/table.js'

/** The known balances of one token of a chain, summed up over the wallets. */
export interface TotalLine {
  readonly chainId: string
  readonly chainName: string
  readonly tokenAddress: string
  readonly tokenSymbol: string | null
  readonly decimals: number | null
  readonly balance: bigint
  /** Wallets of the sum. */
  readonly positions: number
  /** Of them, those whose balance is not up to date. */
  readonly stale: number
  /** Wallets that are missing in the sum, since nothing could be read of them. */
  readonly unknown: number
}

/** What is needed of a balance. */
export interface Summand {
  readonly chainId: string
  readonly chainName: string
  readonly tokenAddress: string
  readonly known: WireCurrentBalance | null
}

/** Sums by token and chain, in the order in which they come. Amounts of different chains are never added. */
export function totalsOf(summands: readonly Summand[]): TotalLine[] {
  const totals = new Map<string, TotalLine>()
  for (const { chainId, chainName: name, tokenAddress, known } of summands) {
    const key = `${chainId}/${tokenAddress}`.toLowerCase()
    const sum = totals.get(key) ?? {
      chainId,
      chainName: name,
      tokenAddress,
      tokenSymbol: null,
      decimals: null,
      balance: 0n,
      positions: 0,
      stale: 0,
      unknown: 0,
    }
    totals.set(key, known === null ? { ...sum, unknown: sum.unknown + 1 } : addTo(sum, known))
  }
  return [...totals.values()]
}

function addTo(sum: TotalLine, known: WireCurrentBalance): TotalLine {
  return {
    ...sum,
    tokenSymbol: known.tokenSymbol ?? sum.tokenSymbol,
    decimals: known.decimals ?? sum.decimals,
    balance: sum.balance + BigInt(known.balance),
    positions: sum.positions + 1,
    stale: sum.stale + (known.stale ? 1 : 0),
  }
}

/** Amounts as text; null where nothing of the sum is known. */
export function totalJson({ balance, decimals, positions, ...total }: TotalLine): Readonly<Record<string, unknown>> {
  const known = positions > 0
  return {
    ...total,
    decimals,
    balance: known ? balance.toString() : null,
    formatted: known ? formatAmount(balance, decimals) : null,
    positions,
  }
}

export function totalColumns(exact: boolean): readonly TableColumn<TotalLine>[] {
  return [
    { heading: 'CHAIN', align: 'left', cell: (total) => span(chainName(total.chainName)) },
    {
      heading: 'TOTAL',
      align: 'point',
      cell: ({ balance, decimals, positions }) => {
        if (positions === 0) return span('unknown', 'warning')
        return span(exact ? formatAmount(balance, decimals) : amountText(balance, decimals))
      },
    },
    {
      heading: 'TOKEN',
      align: 'left',
      cell: ({ tokenSymbol, tokenAddress }) => span(tokenName({ symbol: tokenSymbol, tokenAddress })),
    },
    { heading: 'WALLETS', align: 'right', cell: ({ positions }) => span(String(positions)) },
    {
      heading: '',
      align: 'left',
      cell: ({ stale, unknown }) => {
        const parts = [stale > 0 ? `${stale} stale` : '', unknown > 0 ? `${unknown} unknown, not in the sum` : '']
        return span(parts.filter((part) => part !== '').join(', '), 'warning')
      },
    },
  ]
}
