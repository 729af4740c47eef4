import { Module } from '@nestjs/common'
import { EventEmitterModule } from '@nestjs/event-emitter'
import { TerminusModule } from '@nestjs/terminus'
import { BalanceManagerModule } from 'tidemark/nestjs'

import { BalanceChanges } from './balance-changes'
import { BalancesController } from './balances.controller'
import { HealthController } from './health.controller'
import { Settings, SettingsModule } from './settings'

@Module({
  imports: [
    EventEmitterModule.forRoot(),
    TerminusModule,
    // The settings of Tidemark are made of the application's own. Its API has a port of its own, on this machine only.
    BalanceManagerModule.forRootAsync({
      imports: [SettingsModule],
      inject: [Settings],
      useFactory: (settings: Settings) => ({
        config: {
          chains: { [settings.chainId]: { rpcUrl: settings.rpcUrl } },
          solvers: settings.wallets,
          databaseUrl: settings.databaseUrl,
        },
        server: { port: settings.apiPort },
      }),
    }),
  ],
  controllers: [BalancesController, HealthController],
  providers: [BalanceChanges],
})
export class AppModule {}
