import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Chain } from 'viem'
import * as viemChains from 'viem/chains'
import { toChainKey } from '../src/config/chain-key.js'
import type { ChainRegistryEntry } from '../src/config/chain-registry-entry.js'

const canonicalMulticall3 = '0xca11bde05977b3631167028862be2a173976ca11'

/** Prefixes that must exist whatever viem calls the chain. */
const promisedKeys = { ETHEREUM: 1, OPTIMISM: 10, POLYGON: 137, BASE: 8453, ARBITRUM: 42161 } as const

/** Names that people use for a chain and viem does not export. */
const extraAliases = [{ key: 'MATIC', exportName: 'polygon' }] as const

interface NamedChain {
  readonly exportName: string
  readonly chain: Chain
  readonly deprecated: boolean
}

/** Where the table stands. */
export const chainRegistryPath: string = fileURLToPath(new URL('../src/config/chain-registry.ts', import.meta.url))

/** The text of `src/config/chain-registry.ts`, from the viem that is installed. */
export async function renderChainRegistry(): Promise<string> {
  const named = listNamedChains(await readDeprecatedNames())
  const kept = keepOnePerId(named)
  const entries = [...kept.values()].map(toEntry).toSorted((a, b) => a.id - b.id)
  const aliases = listAliases(named, kept).toSorted((a, b) => a.id - b.id || (a.key < b.key ? -1 : 1))
  checkKeys(entries, aliases)
  return `// Written by scripts/generate-chain-registry.ts from viem/chains: change that script, not this table.
// Loading viem/chains itself would cost each start a third of a second and 50 MB.
import type { ChainRegistryEntry } from './chain-registry-entry.js'

/** Every chain that viem knows, one entry per chain id, by ascending id. */
// oxfmt-ignore
export const chainRegistry: readonly ChainRegistryEntry[] = [
${entries.map(renderEntry).join('\n')}
]

/** Further names of chains in the table above, with the facts that hold when the chain is named so. */
// oxfmt-ignore
export const chainAliases: readonly ChainRegistryEntry[] = [
${aliases.map(renderEntry).join('\n')}
]
`
}

function listNamedChains(deprecated: ReadonlySet<string>): NamedChain[] {
  return Object.entries(viemChains)
    .map(([exportName, chain]) => ({ exportName, chain: chain as Chain, deprecated: deprecated.has(exportName) }))
    .toSorted((a, b) => (a.exportName < b.exportName ? -1 : 1))
}

/** The names that viem's declarations mark as deprecated: the mark is on a statement or on one name within it. */
async function readDeprecatedNames(): Promise<Set<string>> {
  const declarations = new URL('../../_types/chains/index.d.ts', import.meta.resolve('viem/chains'))
  const source = await readFile(declarations, 'utf8')
  const names = new Set<string>()
  for (const [, comment = '', body = ''] of source.matchAll(
    /(\/\*\*[^*]*\*\/\s*)?export \{([^}]*)\} from '\.\/definitions/g,
  )) {
    for (const item of body.split(',')) {
      const name = /(\w+)\s*$/.exec(item)?.[1]
      if (name !== undefined && `${comment}${item}`.includes('@deprecated')) names.add(name)
    }
  }
  if (names.size === 0) throw new Error(`expected deprecated names in ${declarations.pathname}, got none`)
  return names
}

function keepOnePerId(named: readonly NamedChain[]): Map<number, NamedChain> {
  const kept = new Map<number, NamedChain>()
  for (const candidate of named) {
    const current = kept.get(candidate.chain.id)
    if (current === undefined || (current.deprecated && !candidate.deprecated)) kept.set(candidate.chain.id, candidate)
  }
  return kept
}

/**
 * Some ids are shared by different chains (999 is HyperEVM, and was two testnets), so an alias keeps the facts that
 * viem has under that name.
 */
function listAliases(named: readonly NamedChain[], kept: ReadonlyMap<number, NamedChain>): ChainRegistryEntry[] {
  const aliases: ChainRegistryEntry[] = []
  for (const candidate of named) {
    const winner = kept.get(candidate.chain.id) ?? candidate
    const key = toChainKey(candidate.exportName)
    if (key !== toEntry(winner).key) aliases.push({ ...toEntry(candidate), key })
  }
  for (const { key, exportName } of extraAliases) {
    const target = named.find((candidate) => candidate.exportName === exportName)
    if (target === undefined) throw new Error(`expected viem to export ${exportName} for the alias ${key}, got nothing`)
    aliases.push({ ...toEntry(target), key })
  }
  return aliases
}

function toEntry({ exportName, chain }: NamedChain): ChainRegistryEntry {
  const multicall3 = chain.contracts?.multicall3?.address.toLowerCase()
  const explorer = chain.blockExplorers?.default.url
  return {
    id: chain.id,
    key: exportName === 'mainnet' ? 'ETHEREUM' : toChainKey(exportName),
    name: chain.name,
    symbol: chain.nativeCurrency.symbol,
    decimals: chain.nativeCurrency.decimals,
    nativeName: chain.nativeCurrency.name,
    ...(chain.blockTime === undefined ? {} : { blockTimeMs: chain.blockTime }),
    ...(multicall3 === canonicalMulticall3 ? {} : { multicall3: multicall3 ?? false }),
    ...(chain.testnet === true ? { testnet: true } : {}),
    ...(explorer === undefined ? {} : { explorer }),
  }
}

function renderEntry(entry: ChainRegistryEntry): string {
  const fields = Object.entries(entry).map(([name, value]) => `${name}: ${renderValue(value)}`)
  return `  { ${fields.join(', ')} },`
}

function renderValue(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value)
  return `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
}

/** Two chains under one prefix, or a promised prefix on another chain, would send an operator to the wrong chain. */
function checkKeys(entries: readonly ChainRegistryEntry[], aliases: readonly ChainRegistryEntry[]): void {
  const idByKey = new Map<string, number>()
  for (const { key, id } of [...entries, ...aliases]) {
    if (idByKey.has(key)) throw new Error(`expected each key once, got ${key} twice`)
    if (!/^[A-Z][A-Z0-9_]*$/.test(key) || /^CHAIN_\d+$/.test(key)) throw new Error(`expected a prefix, got ${key}`)
    if (!Number.isSafeInteger(id)) throw new Error(`expected the id of ${key} below 2^53, got ${id}`)
    idByKey.set(key, id)
  }
  for (const [key, id] of Object.entries(promisedKeys)) {
    if (idByKey.get(key) !== id) throw new Error(`expected ${key} to be chain ${id}, got ${idByKey.get(key)}`)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await writeFile(chainRegistryPath, await renderChainRegistry())
}
