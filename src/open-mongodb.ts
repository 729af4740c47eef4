import { randomUUID } from 'node:crypto'

import type { EventTailer } from './events/event-tailer.js'
import { LeaseKeeper } from './leases/lease-keeper.js'
import type { LeaseStore } from './leases/lease-store.js'
import type { RecordReader } from './ledger/record-reader.js'
import type { Clock } from './model/clock.js'
import type { Logger } from './model/logger.js'
import type { RecordCopyHealth, RecordCopyMetrics } from './model/record-copy.js'
import { CopyPlace } from './storage/mongodb/copy-place.js'
import { CopyWatch } from './storage/mongodb/copy-watch.js'
import { CopyStep } from './storage/mongodb/copy-step.js'
import { MongoDbConsumer } from './storage/mongodb/mongodb-consumer.js'
import { openMongoDb } from './storage/mongodb/mongodb-connection.js'
import { MongoDbRecordReader } from './storage/mongodb/record-reader.js'
import type { RecordContext } from './storage/mongodb/record-reader.js'
import { RecordQueries } from './storage/mongodb/record-queries.js'
import { RecordCarrier } from './storage/mongodb/record-carrier.js'
import type { RecordSource } from './storage/mongodb/record-source.js'

/** The lease under which one process copies for all. Nothing goes wrong when two do. */
const LEASE_NAME = 'consumer:mongodb'
const DEFAULT_BATCH_SIZE = 1000
/** A step under way has this long to end by itself. */
const CLOSE_TIMEOUT_MS = 2000

export interface MongoDbOptions {
  readonly config: { readonly mongodbUrl?: string | null; readonly mongodbBatchSize?: number }
  readonly storage: {
    readonly recordSource: RecordSource
    readonly recordContext: RecordContext
    readonly leases: LeaseStore
  }
  readonly tailer: EventTailer
  readonly clock: Clock
  readonly logger: Logger
}

/** The copy of the records in MongoDB: kept up in the background, whatever becomes of MongoDB. */
export interface MongoDbCopy {
  /** Balances over time out of the copy. */
  readonly records: RecordReader
  start(): void
  health(): Promise<RecordCopyHealth>
  metrics(): Promise<RecordCopyMetrics>
  close(): Promise<void>
}

/**
 * Builds the parts that keep the copy. MongoDB itself is not asked before the start, and need not be there.
 *
 * @returns null when none is configured: then no event is kept for one any more
 * @throws {ConfigurationError} when the driver is not installed, or the address is none
 */
export async function openMongoDbCopy(options: MongoDbOptions): Promise<MongoDbCopy | null> {
  const { config, storage, tailer, clock } = options
  const { mongodbUrl: url = null, mongodbBatchSize: batchSize = DEFAULT_BATCH_SIZE } = config
  const { recordSource: source, recordContext: context, leases } = storage
  if (url === null) {
    await source.forgetCopies()
    return null
  }
  const logger = options.logger.child({ component: 'mongodb' })
  const connection = await openMongoDb({ url }, logger)
  const { records } = connection
  const place = new CopyPlace(connection.places)
  const carrier = new RecordCarrier({ source, records, place, clock, batchSize })
  const step = new CopyStep({ source, records, place, carrier, clock, logger })
  let isHolder = false
  const consumer = new MongoDbConsumer({
    connect: () => connection.connect(),
    source,
    place,
    step,
    carrier,
    clock,
    logger,
    mayWork: () => isHolder,
  })
  const keeper = new LeaseKeeper({
    name: LEASE_NAME,
    holder: `${process.pid}-${randomUUID()}`,
    leases,
    clock,
    logger,
    work: async (_lease, signal) => {
      isHolder = true
      consumer.wake()
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      isHolder = false
    },
  })
  const unsubscribe = tailer.subscribe((event) => {
    const isOfRecords = event.type !== 'snapshot.saved' && event.type !== 'watch-list.changed'
    if (isOfRecords) consumer.wake()
  })

  const health = async (): Promise<RecordCopyHealth> => {
    const { state, reason } = consumer.status
    const { events: lagEvents, seconds: lagSeconds } = await consumer.lag()
    return { state, reason, lagEvents, lagSeconds }
  }
  return {
    records: new MongoDbRecordReader({
      ...context,
      queries: new RecordQueries(records),
      watch: new CopyWatch({ place, source: context.source }),
    }),
    start() {
      keeper.start()
      consumer.start()
    },
    health,
    metrics: async () => ({ ...(await health()), ...consumer.status.counts }),
    async close() {
      unsubscribe()
      const ended = Promise.all([keeper.close(), consumer.close()])
      const callOff = clock.schedule(CLOSE_TIMEOUT_MS, () => void connection.close())
      await ended
      callOff()
      await connection.close()
    },
  }
}
