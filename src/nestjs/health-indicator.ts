import { reasonOf } from '../manager/manager-errors.js'
import type { ChainSummary } from '../index.js'
import type { BalanceManagerService } from './balance-manager-service.js'

/** A health check is asked for an answer within a few seconds, however busy the database is. */
const CHAINS_TIMEOUT_MS = 2000

/** What is told of one chain. */
export interface ChainHealth {
  readonly chainId: string
  readonly name: string
  readonly state: 'syncing' | 'live' | 'degraded' | 'stalled'
  readonly reason: string | null
  /** Age of the newest processed block. */
  readonly lagSeconds: number | null
}

/** The answer under its key, as Terminus takes it. Everything in it is plain JSON. */
export type BalanceManagerHealth<Key extends string> = Record<
  Key,
  { readonly status: 'up' | 'down'; readonly reason?: string; readonly chains?: readonly ChainHealth[] }
>

/**
 * A health indicator for `@nestjs/terminus`: down while the database cannot be worked with.
 *
 * @example
 * this.health.check([() => this.balances.isHealthy()])
 */
export class BalanceManagerHealthIndicator {
  readonly #service: BalanceManagerService

  /** @internal Made by `BalanceManagerModule`. */
  constructor(service: BalanceManagerService) {
    this.#service = service
  }

  /**
   * @param key under which the answer stands: `tidemark` unless told
   * @param options.chainsMustBeLive also down while a chain is not followed up to its head
   */
  async isHealthy<Key extends string = 'tidemark'>(
    key: Key = 'tidemark' as Key,
    { chainsMustBeLive = false }: { readonly chainsMustBeLive?: boolean } = {},
  ): Promise<BalanceManagerHealth<Key>> {
    const health = await this.#service.getHealth()
    if (health.database === 'down') return answer(key, { status: 'down', reason: health.reason })
    const chains = await this.#chains()
    if (chains instanceof Error) {
      const reason = `how the chains are doing cannot be told: ${reasonOf(chains)}`
      return answer(key, { status: chainsMustBeLive ? 'down' : 'up', reason })
    }
    const behind = chainsMustBeLive ? chains.filter(({ state }) => state !== 'live') : []
    if (behind.length === 0) return answer(key, { status: 'up', chains })
    const reason = behind.map(({ name, state }) => `${name} is ${state}`).join(', ')
    return answer(key, { status: 'down', reason, chains })
  }

  /** The database is well, but those who read may have to wait. */
  async #chains(): Promise<readonly ChainHealth[] | Error> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<Error>((resolve) => {
      timer = setTimeout(() => resolve(new Error(`no answer within ${CHAINS_TIMEOUT_MS} ms`)), CHAINS_TIMEOUT_MS)
    })
    const told = this.#service.getChains().then(
      (chains) => chains.map(toChainHealth),
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    )
    try {
      return await Promise.race([told, late])
    } finally {
      clearTimeout(timer)
    }
  }
}

function toChainHealth({ chainId, name, state, reason, lagSeconds }: ChainSummary): ChainHealth {
  return { chainId: chainId.toString(), name, state, reason, lagSeconds }
}

function answer<Key extends string>(key: Key, value: BalanceManagerHealth<Key>[Key]): BalanceManagerHealth<Key> {
  return { [key]: value } as BalanceManagerHealth<Key>
}
