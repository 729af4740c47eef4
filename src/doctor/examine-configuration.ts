import type { Config } from '../config/config.js'
import { isLoopbackHost } from '../config/config-schema.js'
import type { Finding } from './finding.js'

type Examined = Pick<Config, 'chains' | 'solvers' | 'host' | 'apiKeys' | 'allowUnauthenticated'>

/** What the settings mean together. Each one by itself was checked when it was read. */
export function examineConfiguration(config: Examined, warnings: readonly string[]): Finding[] {
  const findings: Finding[] = warnings.map((text) => finding('warning', text))
  const { chains, solvers } = config
  if (chains.length === 0) {
    findings.push(
      finding('warning', 'no chain is configured: only reported snapshots can be taken', {
        advice: 'Set ETHEREUM_RPC_URL, or CHAIN_<id>_RPC_URL for any other chain.',
      }),
    )
  }
  if (chains.length > 0 && solvers.length === 0) {
    findings.push(
      finding('warning', 'no wallet is configured; wallets can also be added while the service runs', {
        advice: 'Set SOLVER_ADDRESSES=label=0x…,0x…',
      }),
    )
  }
  if (config.apiKeys.length === 0 && config.allowUnauthenticated) {
    findings.push(
      finding('warning', `everyone who reaches ${config.host} may read and write: ALLOW_UNAUTHENTICATED is true`, {
        advice: 'Set API_KEYS.',
      }),
    )
  } else if (config.apiKeys.length === 0 && !isLoopbackHost(config.host)) {
    findings.push(
      finding('warning', `others can reach ${config.host} and API_KEYS is empty: a start needs a key in the database`, {
        advice: 'See what tidemark keys list has, or add one: tidemark keys add <name> --scope write',
      }),
    )
  }
  const tokens = chains.reduce((sum, chain) => sum + chain.tokens.length, 0)
  const positions = chains.reduce((sum, chain) => sum + (chain.tokens.length + 1) * solvers.length, 0)
  findings.push(
    finding(
      'ok',
      `${chains.length} chains, ${tokens} tokens and ${solvers.length} wallets make ${positions} positions`,
    ),
  )
  return findings
}

function finding(level: Finding['level'], text: string, extra: Pick<Finding, 'advice'> = {}): Finding {
  return { area: 'configuration', subject: 'settings', level, text, ...extra }
}
