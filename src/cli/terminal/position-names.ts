import { plainText } from './plain-text.js'

const labelColumns = 20
const symbolColumns = 12

/** A wallet as people know it. */
export function walletName({ label, solverAddress }: { label: string | null; solverAddress: string }): string {
  const name = label === null ? '' : plainText(label, labelColumns)
  return name === '' ? shortAddress(solverAddress) : name
}

/** A token by its symbol, or else by its address. */
export function tokenName({ symbol, tokenAddress }: { symbol: string | null; tokenAddress: string }): string {
  const name = symbol === null ? '' : plainText(symbol, symbolColumns)
  if (name !== '') return name
  return tokenAddress === 'native' ? 'native' : shortAddress(tokenAddress)
}

/** A chain's name, made safe. */
export function chainName(name: string): string {
  return plainText(name, labelColumns)
}

export function shortAddress(address: string): string {
  return `${address.slice(0, 6)}…${address.slice(-4)}`
}
