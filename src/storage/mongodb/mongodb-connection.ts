import type * as Driver from 'mongodb'
import type { Collection, Db, MongoClient, MongoClientOptions } from 'mongodb'

import { ConfigurationError, messageOf } from '../../model/errors.js'
import type { Logger } from '../../model/logger.js'
import { MongoDbUnavailableError, asMongoDbError, mongoDbTroubleText } from './mongodb-errors.js'
import { PLACE_COLLECTION } from './copy-place.js'
import type { PlaceDocument } from './copy-place.js'
import { RECORD_COLLECTION } from './record-document.js'
import type { StoredDocument } from './record-document.js'

/** Where `MONGODB_URL` names no database. */
const DEFAULT_DATABASE = 'tidemark'
/** For a server to be found, and for a connection to it. */
const CONNECT_TIMEOUT_MS = 5000
/** A server that says nothing for so long is frozen, or the network swallows everything. */
const SOCKET_TIMEOUT_MS = 15_000
/** For a connection of the pool to come free. */
const POOL_WAIT_MS = 5000
const POOL_SIZE = 10
/** How often the driver looks after the server: so soon one that comes back is found. */
const HEARTBEAT_MS = 5000

export interface MongoDbSettings {
  /** What `MONGODB_URL` says. */
  readonly url: string
}

/** Pooled connections to one database. */
export interface MongoDbConnection {
  readonly database: Db
  readonly records: Collection<StoredDocument>
  /** How far the copy is. */
  readonly places: Collection<PlaceDocument>
  /** The name of the database. */
  readonly name: string
  /**
   * Connects unless it is connected. What is called afterwards finds a server that comes back by itself; only after a first
   * attempt that failed the driver never tries again by itself.
   *
   * @throws {MongoDbUnavailableError}
   */
  connect(): Promise<void>
  close(): Promise<void>
}

/**
 * Loads the driver and reads the address; nothing is sent yet.
 *
 * @throws {ConfigurationError} when the package `mongodb` is not installed, the address is none, or it asks for writes that
 *   nobody acknowledges
 */
export async function openMongoDb(settings: MongoDbSettings, logger: Logger): Promise<MongoDbConnection> {
  const { MongoClient } = await loadDriver()
  const name = databaseNameOf(settings.url)
  let client: MongoClient
  try {
    client = new MongoClient(settings.url, optionsFor(settings.url))
  } catch (error) {
    throw new ConfigurationError(
      `MONGODB_URL: expected a MongoDB connection string, got: ${saySafely(error, settings.url)}`,
      {
        hint: 'Set it as in mongodb://user:password@mongo.example.com:27017/tidemark, with user and password percent-encoded.',
      },
    )
  }
  if (client.options.writeConcern?.w === 0) {
    // A document that is there already would never be replaced: the server's refusal to insert it is how that is noticed.
    throw new ConfigurationError('MONGODB_URL: expected writes that MongoDB acknowledges, got w=0', {
      hint: 'Leave w out: a majority acknowledges then. Or set w=1 or more.',
    })
  }
  client.on('connectionPoolCleared', () => logger.debug({}, 'connections to MongoDB were lost'))
  const database = client.db(name)
  let closing: Promise<void> | null = null
  return {
    database,
    records: database.collection<StoredDocument>(RECORD_COLLECTION, { readPreference: 'primary' }),
    places: database.collection<PlaceDocument>(PLACE_COLLECTION, { readPreference: 'primary' }),
    name,
    async connect() {
      if (closing !== null) throw new MongoDbUnavailableError(mongoDbTroubleText.closed, { trouble: 'closed' })
      try {
        await client.connect()
      } catch (error) {
        throw asMongoDbError(error)
      }
    },
    close: () => (closing ??= client.close(true)),
  }
}

/** The database that a MongoDB address names: its path, before the options. */
export function databaseNameOf(url: string): string {
  const path = /^mongodb(?:\+srv)?:\/\/[^/?]*(?:\/([^?]*))?/i.exec(url.trim())?.[1] ?? ''
  try {
    return decodeURIComponent(path) || DEFAULT_DATABASE
  } catch {
    return path
  }
}

/** What the address itself sets is left as it is. */
function optionsFor(url: string): MongoClientOptions {
  const theirs = new Set([...new URLSearchParams(url.split('?')[1] ?? '').keys()].map((key) => key.toLowerCase()))
  const ours: MongoClientOptions = {
    serverSelectionTimeoutMS: CONNECT_TIMEOUT_MS,
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    socketTimeoutMS: SOCKET_TIMEOUT_MS,
    waitQueueTimeoutMS: POOL_WAIT_MS,
    heartbeatFrequencyMS: HEARTBEAT_MS,
    maxPoolSize: POOL_SIZE,
    appName: 'tidemark',
    ...(theirs.has('w') ? {} : { writeConcern: { w: 'majority' } }),
  }
  const chosen = Object.entries(ours).filter(([key]) => !theirs.has(key.toLowerCase()))
  return { ...Object.fromEntries(chosen), useBigInt64: true }
}

async function loadDriver(): Promise<typeof Driver> {
  try {
    return await import('mongodb')
  } catch (error) {
    throw new ConfigurationError('MONGODB_URL: expected the package "mongodb" to be installed, got none', {
      cause: error,
      hint: 'Run "npm install mongodb@7" beside tidemark, or remove MONGODB_URL.',
    })
  }
}

/** The driver may quote parts of the address: then nothing of it is repeated. */
function saySafely(error: unknown, url: string): string {
  const message = messageOf(error)
  const parts = url.split(/[:/?#@&=,]+/).filter((part) => part.length > 2 && !/^(mongodb|mongodb\+srv)$/i.test(part))
  return parts.some((part) => message.includes(part)) ? 'one that the driver refuses' : message
}
