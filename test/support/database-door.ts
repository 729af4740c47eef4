import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'

import type { TestDatabase } from './test-database.js'

/**
 * What becomes of bytes on their way to the database: they pass; they are swallowed, in both directions and without a
 * word, as by a broken network; or connections are refused.
 */
export type DoorState = 'open' | 'silent' | 'closed'

type ServerAddress = Pick<TestDatabase['address'], 'host' | 'port'>

export interface DatabaseDoor {
  readonly port: number
  /** For `DATABASE_URL`, by TCP. */
  urlOf(database: { readonly user: string; readonly database: string }): string
  set(state: DoorState): void
  /** Swallows what the connections of this moment carry, for ever; new connections are as the state says. */
  muteOpenConnections(): void
  /** Cuts the connections of this moment. */
  cut(): void
  /**
   * Cuts the next connection over which these bytes are sent: as soon as the database has answered them, and instead of
   * the answer.
   */
  loseAnswerTo(bytes: string): Promise<void>
  /** Connections that are open now. */
  readonly connections: number
  /** Goes on to another server: after a restart it is at another place. */
  moveTo(server: ServerAddress): void
  close(): Promise<void>
}

interface Pair {
  readonly outer: Socket
  readonly inner: Socket
  muted: boolean
}

interface Trap {
  readonly bytes: string
  readonly sprung: () => void
}

/** A door before a PostgreSQL server that can be held shut. */
export async function openDatabaseDoor(server: ServerAddress): Promise<DatabaseDoor> {
  const pairs = new Set<Pair>()
  let state: DoorState = 'open'
  let target = server
  let trap: Trap | null = null

  const listener = createServer((outer) => {
    if (state === 'closed') return void outer.destroy()
    const inner = connect(join(target.host, `.s.PGSQL.${target.port}`))
    const pair: Pair = { outer, inner, muted: state === 'silent' }
    let trapped: Trap | null = null
    pairs.add(pair)
    const end = (): void => {
      pairs.delete(pair)
      outer.destroy()
      inner.destroy()
    }
    for (const side of [outer, inner]) side.on('error', () => undefined).on('close', end)
    outer.on('data', (data) => {
      if (pair.muted) return
      if (trap !== null && data.includes(trap.bytes)) [trapped, trap] = [trap, null]
      inner.write(data)
    })
    inner.on('data', (data) => {
      if (pair.muted) return
      if (trapped === null) return void outer.write(data)
      // "Ready for the next query", the last message of an answer: 5 bytes and the state of the transaction.
      if (data.at(-6) !== 'Z'.charCodeAt(0)) return
      trapped.sprung()
      end()
    })
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  const cut = (): void => {
    for (const { outer } of pairs) outer.destroy()
  }
  // What was swallowed is missing for ever: such a connection never speaks again.
  const mute = (): void => {
    for (const pair of pairs) pair.muted = true
  }

  return {
    port,
    urlOf: ({ user, database }) => `postgresql://${user}@127.0.0.1:${port}/${database}`,
    set(next) {
      state = next
      if (next === 'closed') cut()
      if (next === 'silent') mute()
    },
    muteOpenConnections: mute,
    cut,
    loseAnswerTo: (bytes) =>
      new Promise((resolve) => {
        trap = { bytes, sprung: resolve }
      }),
    get connections() {
      return pairs.size
    },
    moveTo(next) {
      target = next
      cut()
    },
    close: () =>
      new Promise((resolve) => {
        cut()
        listener.close(() => resolve())
      }),
  }
}
