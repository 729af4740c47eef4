import { listChains } from '../../api/chain-routes.js'
import { encodeChain } from '../../api/chain-wire.js'
import { onePage } from '../../api/page.js'
import type { BalanceManager } from '../../index.js'
import type { RouteRegistrar } from '../http/register-route.js'

export function addChainRoutes(registrar: RouteRegistrar, manager: Pick<BalanceManager, 'chains'>): void {
  registrar.add(listChains, async () => onePage((await manager.chains()).map(encodeChain)))
}
