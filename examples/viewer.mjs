// Shows what every wallet holds, and then each change of it as it happens: each once, in order, whatever breaks between.
//
//   node examples/viewer.mjs                  from now on
//   node examples/viewer.mjs place.json       from where it stopped the last time, which it keeps in that file
//
// TIDEMARK_URL names the service (http://localhost:3000 when absent), TIDEMARK_API_KEY its key when it needs one.
// In a project of your own the import is from 'tidemark/client'.

import { readFile, rename, writeFile } from 'node:fs/promises'

import { createClient, decodeChange } from '../dist/client/index.js'

const file = process.argv[2]
const client = createClient({
  url: process.env.TIDEMARK_URL || 'http://localhost:3000',
  apiKey: process.env.TIDEMARK_API_KEY,
})
const live = client.live(file === undefined ? {} : { place: placeIn(file) })

live.on('state', ({ state, error }) => {
  console.log(error === null ? state : `${state}: ${error.message}`)
  if (state === 'closed' && error !== null) process.exitCode = 1
})
// The first greeting, or too long away: what is the case now is in the lists, what changes comes as events.
live.on('resync', ({ reason }) => {
  console.log(`events were missed (${reason}), reading the balances anew`)
  void showBalances()
})
live.on('balance:updated', (wire) => {
  const change = decodeChange(wire)
  const sign = change.changeAmount > 0n ? '+' : ''
  console.log(
    `${wire.seq} ${change.solverAddress} ${change.tokenAddress} ${sign}${change.changeAmount} (${change.cause})`,
  )
})
live.on('balance:snapshot', ({ seq, ts, onchain, onsite }) => console.log(seq, 'reported', ts, { onchain, onsite }))
live.on('event', ({ name, payload }) => {
  if (name !== 'balance:updated' && name !== 'balance:snapshot') console.log(payload.seq, name)
})
live.on('problem', (error) => console.error(error.message))

process.once('SIGINT', () => client.close())
process.once('SIGTERM', () => client.close())
await showBalances()

async function showBalances() {
  try {
    for await (const { solverAddress, tokenSymbol, tokenAddress, formatted, blockNumber } of client.balances()) {
      console.log(`${solverAddress} holds ${formatted} ${tokenSymbol ?? tokenAddress} since block ${blockNumber}`)
    }
  } catch (error) {
    console.error(`the balances cannot be read: ${error.message}`)
  }
}

/** Keeps a place in a file, which is there as a whole or not at all. */
function placeIn(path) {
  return {
    async load() {
      const text = await readFile(path, 'utf8').catch((error) => {
        if (error.code === 'ENOENT') return 'null'
        throw error
      })
      return JSON.parse(text)
    },
    async save(place) {
      await writeFile(`${path}.new`, JSON.stringify(place))
      await rename(`${path}.new`, path)
    },
  }
}
