import { readBalances } from '../chain/balances/read-balances.js'
import type { RpcClient } from '../chain/rpc/rpc-client.js'
import type { ChainConfig } from '../config/config.js'
import type { BlockHeader } from '../model/block.js'
import { silentLogger } from '../model/logger.js'
import type { Finding } from './finding.js'

export async function* describeCapabilities(
  client: RpcClient,
  { host, head, chain }: { readonly host: string; readonly head: BlockHeader; readonly chain: ChainConfig },
): AsyncGenerator<Finding> {
  const solver = '0x0000000000000000000000000000000000000001'
  const position = {
    chainId: chain.chainId,
    token: 'native' as const,
    solver,
    lastBalance: null,
    accruing: false,
  } as const
  const [reading] = await readBalances(client, head, [position], silentLogger)
  if (reading?.kind === 'balance')
    yield { area: 'endpoint', subject: host, level: 'ok', text: 'balances can be read at a block’s hash' }
}
