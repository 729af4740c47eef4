import { describe } from 'vitest'

import { givenEngine, localEngine } from '../servers/mongodb.js'
import type { MongoDbEngine, MongoDbServerName } from '../servers/mongodb.js'
import { serverBuilds, whyMissing } from '../servers/server-builds.js'

export { createMongoDatabase } from '../servers/mongodb.js'
export type { MongoDbEngine, MongoDbServer, MongoTestDatabase } from '../servers/mongodb.js'

/**
 * Describes tests of MongoDB once for every server of this run: mongo-java-server always, FerretDB in the long form,
 * and the one of `MONGODB_URL` where that is set. A server that is not there is a skipped test that says why.
 *
 * @param options.ownProcess only servers started here: for tests that freeze, halt or restart
 */
export function describeOnMongoDb(
  title: string,
  options: { readonly ownProcess?: boolean },
  body: (engine: MongoDbEngine) => void,
): void {
  const names: MongoDbServerName[] =
    process.env['TIDEMARK_TEST_LONG'] === '1' ? ['mongo-java-server', 'ferretdb'] : ['mongo-java-server']
  for (const name of names) {
    const full = `${name} ${serverBuilds[name].version}`
    const missing = whyMissing(name)
    if (missing === null) describe(`${title}, on ${full}`, () => body(localEngine(name)))
    else {
      process.stderr.write(`SKIPPED: ${title}, on ${full}: ${missing}\n`)
      describe.skip(`${title}, on ${full} (skipped: ${missing})`, () => body(localEngine(name)))
    }
  }
  const url = process.env['MONGODB_URL']
  if (url !== undefined && url !== '' && options.ownProcess !== true) {
    describe(`${title}, on the server of MONGODB_URL`, () => body(givenEngine(url)))
  }
}
