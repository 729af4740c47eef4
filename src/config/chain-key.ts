/**
 * The environment prefix of a chain's camelCase name: `arbitrumNova` becomes `ARBITRUM_NOVA`, `opBNBTestnet` becomes
 * `OP_BNB_TESTNET`. A name that is in this form already stays as it is.
 */
export function toChainKey(name: string): string {
  const words = name.trim().replace(/[\s-]+/g, '_')
  if (!/[a-z]/.test(words)) return words
  return words
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .toUpperCase()
}
