import { Module } from '@nestjs/common'
import type { DynamicModule, Provider } from '@nestjs/common'
import { HttpAdapterHost } from '@nestjs/core'
import { EventEmitter2, EventEmitterReadinessWatcher } from '@nestjs/event-emitter'

import { BalanceManagerService } from './balance-manager-service.js'
import { BalanceManagerHealthIndicator } from './health-indicator.js'
import { readModuleOptions } from './module-options.js'
import type { BalanceManagerModuleAsyncOptions, BalanceManagerModuleOptions, ModuleSettings } from './module-options.js'

const OPTIONS = Symbol('tidemark options')
const SETTINGS = Symbol('tidemark settings')

/**
 * Brings `BalanceManagerService` into a NestJS application, for every module of it.
 *
 * @example
 * imports: [EventEmitterModule.forRoot(), BalanceManagerModule.forRoot()]
 */
// oxlint-disable-next-line typescript/no-extraneous-class -- Nest knows a module by its class
export class BalanceManagerModule {
  /** Without options the settings come from the environment and from `tidemark.config.*`. */
  static forRoot(options: BalanceManagerModuleOptions = {}): DynamicModule {
    return moduleOf({ provide: OPTIONS, useValue: options })
  }

  /** With options that are made of what is injected, such as a `ConfigService`. */
  static forRootAsync({ imports, inject, useFactory }: BalanceManagerModuleAsyncOptions): DynamicModule {
    return moduleOf({ provide: OPTIONS, inject: inject ?? [], useFactory }, imports)
  }
}

// By hand, so that whatever compiles this needs no support for decorators.
Module({})(BalanceManagerModule)

function moduleOf(options: Provider, imports: DynamicModule['imports'] = []): DynamicModule {
  return {
    module: BalanceManagerModule,
    global: true,
    imports,
    providers: [options, settings, service, healthIndicator],
    exports: [BalanceManagerService, BalanceManagerHealthIndicator],
  }
}

const settings: Provider = {
  provide: SETTINGS,
  inject: [OPTIONS],
  useFactory: (options: BalanceManagerModuleOptions) => readModuleOptions(options),
}

const service: Provider = {
  provide: BalanceManagerService,
  inject: [
    SETTINGS,
    HttpAdapterHost,
    { token: EventEmitter2, optional: true },
    { token: EventEmitterReadinessWatcher, optional: true },
  ],
  useFactory: (
    moduleSettings: ModuleSettings,
    http: HttpAdapterHost,
    emitter?: EventEmitter2,
    listeners?: EventEmitterReadinessWatcher,
  ) => new BalanceManagerService(moduleSettings, { emitter, listeners, http }),
}

const healthIndicator: Provider = {
  provide: BalanceManagerHealthIndicator,
  inject: [BalanceManagerService],
  useFactory: (balanceManager: BalanceManagerService) => new BalanceManagerHealthIndicator(balanceManager),
}
