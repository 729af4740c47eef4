import type { Address } from '../../index.js'

/** A chain as the service is told of it. */
export interface ServiceChain {
  readonly chainId: bigint
  readonly name: string
  readonly nativeSymbol: string
  readonly rpcUrl: string
  readonly wsUrl: string
  readonly tokens: readonly Address[]
}

export interface ServiceEnvironmentOptions {
  readonly chains: readonly ServiceChain[]
  readonly solvers: readonly { readonly label: string; readonly address: Address }[]
  readonly host: string
  readonly port: number
  readonly dataDir: string
}

/** What a child process needs of the system. Anything else could be a setting of the user's own Tidemark. */
const inheritedNames = [
  'PATH',
  'HOME',
  'USERPROFILE',
  'SystemRoot',
  'TMPDIR',
  'TEMP',
  'TMP',
  'LANG',
  'TZ',
  'LD_LIBRARY_PATH',
]

/** The variables of the parent that a child of the demo gets. */
export function inheritedEnvironment(parent: NodeJS.ProcessEnv = process.env): Record<string, string> {
  return Object.fromEntries(
    inheritedNames.flatMap((name) => {
      const value = parent[name]
      return value === undefined ? [] : [[name, value] as const]
    }),
  )
}

/** The environment of `tidemark start`, as an operator would write it for real chains. */
export function serviceEnvironment(options: ServiceEnvironmentOptions): Record<string, string> {
  const { chains, solvers, host, port, dataDir } = options
  return {
    ...inheritedEnvironment(),
    ...Object.fromEntries(chains.flatMap(chainVariables)),
    SOLVER_ADDRESSES: solvers.map(({ label, address }) => `${label}=${address}`).join(','),
    TIDEMARK_DATA_DIR: dataDir,
    HOST: host,
    PORT: String(port),
    LOG_LEVEL: 'warn',
  }
}

function chainVariables(chain: ServiceChain): [string, string][] {
  const prefix = `CHAIN_${chain.chainId}`
  return [
    [`${prefix}_NAME`, chain.name],
    [`${prefix}_NATIVE_SYMBOL`, chain.nativeSymbol],
    [`${prefix}_RPC_URL`, chain.rpcUrl],
    [`${prefix}_WS_URL`, chain.wsUrl],
    [`${prefix}_TOKENS`, chain.tokens.join(',')],
  ]
}
