import { TidemarkError } from '../model/errors.js'
import { silentLogger } from '../model/logger.js'
import { CopyPlace } from '../storage/mongodb/copy-place.js'
import type { PlaceDocument } from '../storage/mongodb/copy-place.js'
import { openMongoDb } from '../storage/mongodb/mongodb-connection.js'
import { MongoDbUnavailableError, mongoDbTroubleText } from '../storage/mongodb/mongodb-errors.js'
import type { Finding } from './finding.js'

const common = { area: 'database', subject: 'MONGODB_URL' } as const

/** Whether MongoDB answers, and how far the copy of the records there is. Changes nothing. */
export async function examineMongoDb(url: string): Promise<Finding> {
  try {
    const connection = await openMongoDb({ url }, silentLogger)
    try {
      await connection.connect()
      return { ...common, level: 'ok', text: `it answers; ${standing(await new CopyPlace(connection.places).read())}` }
    } finally {
      await connection.close()
    }
  } catch (error) {
    return failureFinding(error)
  }
}

function standing(place: PlaceDocument | null): string {
  if (place === null) return 'nothing is copied there yet, `tidemark start` does so'
  if (place.copying !== null) return `records are being copied there, ${place.copying.copied} so far`
  return `all records are there up to event ${place.seq}`
}

function failureFinding(error: unknown): Finding {
  if (error instanceof MongoDbUnavailableError) {
    const advice =
      'Blocks are stored as ever, and copied when it is back. Check that it runs and lets this machine connect.'
    return { ...common, level: 'problem', text: mongoDbTroubleText[error.trouble], advice }
  }
  if (!(error instanceof TidemarkError)) throw error
  return {
    ...common,
    level: 'problem',
    text: error.message,
    ...(error.hint === undefined ? {} : { advice: error.hint }),
  }
}
