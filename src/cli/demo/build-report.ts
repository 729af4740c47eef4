import type { WireCurrentBalance } from '../../api/balance-wire.js'

/** A snapshot's two sides, as the document's example has them. */
export interface ReportSides {
  readonly onchain: Readonly<Record<string, number>>
  readonly onsite: Readonly<Record<string, number>>
}

/** Amounts are reported with this many decimals: sums of all wallets stay exact as JSON numbers. */
const reportDecimals = 6
const driftScale = 1_000_000

/** What the operator's own books call an asset: they know dollars, not which stablecoin holds them. */
const onsiteNames: Readonly<Record<string, string>> = { usdc: 'usd', dai: 'usd', weth: 'eth', wpol: 'pol' }

/**
 * Sums balances by asset. The onsite side is the same money in the books' own terms, off by a small part.
 *
 * @param drift how far the books are off, as a part of the amount: 0.0002 is two parts in ten thousand
 * @returns null while no balance is known, since a snapshot without assets would be refused
 */
export function buildReport(balances: readonly WireCurrentBalance[], drift: number): ReportSides | null {
  const onchain = new Map<string, bigint>()
  const onsite = new Map<string, bigint>()
  for (const { tokenSymbol, decimals, balance } of balances) {
    const asset = tokenSymbol?.toLowerCase() ?? ''
    if (decimals === undefined || !/^[a-z0-9][a-z0-9_.:-]{0,31}$/.test(asset)) continue
    const amount = (BigInt(balance) * 10n ** BigInt(reportDecimals)) / 10n ** BigInt(decimals)
    add(onchain, asset, amount)
    add(onsite, onsiteNames[asset] ?? asset, amount)
  }
  if (onchain.size === 0) return null
  const factor = BigInt(Math.round((1 + drift) * driftScale))
  return { onchain: toNumbers(onchain), onsite: toNumbers(onsite, (amount) => (amount * factor) / BigInt(driftScale)) }
}

function add(sums: Map<string, bigint>, asset: string, amount: bigint): void {
  sums.set(asset, (sums.get(asset) ?? 0n) + amount)
}

function toNumbers(
  sums: ReadonlyMap<string, bigint>,
  change: (amount: bigint) => bigint = (amount) => amount,
): Record<string, number> {
  return Object.fromEntries([...sums].map(([asset, amount]) => [asset, Number(change(amount)) / 10 ** reportDecimals]))
}
