import { Module } from '@nestjs/common'
import { EventEmitterModule } from '@nestjs/event-emitter'
import { TerminusModule } from '@nestjs/terminus'
import { BalanceManagerModule } from 'tidemark/nestjs'

import { BalanceChanges } from './balance-changes.js'
import { BalancesController } from './balances.controller.js'
import { HealthController } from './health.controller.js'

@Module({
  imports: [
    EventEmitterModule.forRoot(),
    TerminusModule,
    // Settings come from the environment: ETHEREUM_RPC_URL, SOLVER_ADDRESSES, DATABASE_URL and so on. The API of Tidemark
    // is served by this application too, below /api, which needs API_KEYS.
    BalanceManagerModule.forRoot({ server: { mount: true } }),
  ],
  controllers: [BalancesController, HealthController],
  providers: [BalanceChanges],
})
export class AppModule {}
