import { Injectable, Logger } from '@nestjs/common'
import { OnEvent } from '@nestjs/event-emitter'
import type { BalanceChangeEvent } from 'tidemark/nestjs'

const KEPT_MAX = 1000

/** The newest changes that this process was told of. */
@Injectable()
export class BalanceChanges {
  readonly #logger = new Logger(BalanceChanges.name)
  readonly #changes: BalanceChangeEvent[] = []

  get all(): readonly BalanceChangeEvent[] {
    return this.#changes
  }

  // Each change comes to one process of the group, at least once: after a crash it may come again, with the same `seq`.
  @OnEvent('balance.updated')
  onBalanceUpdated(event: BalanceChangeEvent): void {
    this.#logger.log(
      `chain ${event.chainId}: ${event.tokenAddress} of ${event.solverAddress} is ${event.newBalance} (${event.changeAmount})`,
    )
    this.#changes.push(event)
    if (this.#changes.length > KEPT_MAX) this.#changes.shift()
  }
}
