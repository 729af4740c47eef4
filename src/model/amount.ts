import { formatUnits } from 'viem/utils'

/**
 * An exact decimal text of an integer amount.
 *
 * @param units amount in the token's smallest unit
 * @param decimals the token's decimals; null leaves the integer as it is
 * @example formatAmount(1_500_000n, 6) // '1.5'
 */
export function formatAmount(units: bigint, decimals: number | null): string {
  return decimals === null ? units.toString() : formatUnits(units, decimals)
}
