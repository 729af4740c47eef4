import type { LoggedEvent } from '../../src/model/event.js'
import { positionKey } from '../../src/model/position.js'
import type { Hash } from '../../src/model/position.js'
import type { StoredChainRows } from './stored-chain.js'
import { must } from './violation.js'

/** What one subscriber was handed, from when it subscribed. */
export interface Heard {
  readonly replica: string
  readonly since: bigint
  readonly events: readonly LoggedEvent[]
}

/** @throws {Violation} unless the log has no gap. */
export function checkLog(log: readonly LoggedEvent[], head: bigint): void {
  log.forEach((event, index) => {
    must(event.seq === BigInt(index + 1), 'the event log has no gap', { expected: index + 1, got: event.seq })
  })
  must(BigInt(log.length) === head, 'the counter is the newest event', { expected: log.length, got: head })
}

/** @throws {Violation} unless each event since the subscription came once, in order, as it stands in the log. */
export function checkHeard({ replica, since, events }: Heard, log: readonly LoggedEvent[]): void {
  events.forEach((event, index) => {
    const seq = since + BigInt(index + 1)
    must(event.seq === seq, 'a subscriber gets each event once and in order', {
      replica,
      expected: seq,
      got: event.seq,
    })
    const logged = log[Number(seq) - 1]
    must(textOf(event) === textOf(logged), 'what is pushed is what is logged', {
      replica,
      expected: logged,
      got: event,
    })
  })
}

interface FoldedRecord {
  readonly blockNumber: bigint
  readonly blockHash: Hash
  readonly balance: bigint
}

/** Whoever only follows the events knows what is stored. */
export class EventFold {
  readonly #records = new Map<string, FoldedRecord[]>()
  /** Positions whose history was written anew: only the newest balance is known from the events. */
  readonly #rewritten = new Map<string, bigint | null>()

  add(event: LoggedEvent): void {
    switch (event.type) {
      case 'position.started':
        this.#push(event, event.data, event.data.balance)
        return
      case 'balance.updated': {
        const key = keyOf(event.data)
        const known = this.#rewritten.has(key) ? this.#rewritten.get(key) : this.#records.get(key)?.at(-1)?.balance
        must(known === event.data.previousBalance, 'balance.updated begins where the last one ended', {
          position: key,
          expected: known,
          got: event,
        })
        this.#push(event, event.data, event.data.newBalance)
        return
      }
      case 'balance.reverted':
        this.#revert(event)
        return
      case 'history.extended': {
        const key = keyOf(event.data)
        this.#rewritten.set(key, event.data.balance)
        return
      }
      case 'token.changed':
      case 'snapshot.saved':
      case 'watch-list.changed':
        return
    }
  }

  /** @throws {Violation} unless the events tell what is stored of a chain. */
  compare(chainId: bigint, stored: StoredChainRows): void {
    for (const position of stored.positions) {
      const key = positionKey({ chainId, token: position.token, solver: position.solver })
      if (this.#rewritten.has(key)) {
        must(this.#rewritten.get(key) === position.balance, 'events tell the newest balance', {
          position: key,
          expected: position.balance,
          got: this.#rewritten.get(key),
        })
        continue
      }
      const expected = position.records.map(({ blockNumber, blockHash, balance }) => ({
        blockNumber,
        blockHash,
        balance,
      }))
      const got = this.#records.get(key) ?? []
      must(textOf(got) === textOf(expected), 'the events add up to the records', { position: key, expected, got })
    }
  }

  #push(
    event: LoggedEvent,
    at: Extract<LoggedEvent, { type: 'balance.updated' | 'position.started' }>['data'],
    balance: bigint,
  ): void {
    const key = keyOf(at)
    const records = this.#records.get(key) ?? []
    const last = records.at(-1)
    must(
      last === undefined || this.#rewritten.has(key) || last.blockNumber < at.blockNumber,
      'events of a position come by block',
      {
        position: key,
        before: last,
        got: event,
      },
    )
    if (this.#rewritten.has(key)) this.#rewritten.set(key, balance)
    records.push({ blockNumber: at.blockNumber, blockHash: at.blockHash, balance })
    this.#records.set(key, records)
  }

  #revert(event: Extract<LoggedEvent, { type: 'balance.reverted' }>): void {
    for (const item of event.data.items) {
      const key = positionKey(item.position)
      if (this.#rewritten.has(key)) {
        this.#rewritten.set(key, item.balance)
        continue
      }
      const records = this.#records.get(key) ?? []
      for (const orphaned of item.orphaned) {
        const last = records.pop()
        must(textOf(last) === textOf(orphaned), 'balance.reverted takes back what was announced', {
          position: key,
          expected: last,
          got: event,
        })
      }
      const standing = records.at(-1)
      must(
        (standing?.balance ?? null) === item.balance && (standing?.blockNumber ?? null) === item.blockNumber,
        'balance.reverted tells the balance that stands again',
        { position: key, expected: standing, got: event },
      )
      must(
        standing === undefined || standing.blockNumber <= event.data.ancestor.number,
        'nothing stands above the common ancestor',
        { position: key, expected: event.data.ancestor, got: standing },
      )
    }
  }
}

function keyOf(at: {
  readonly chainId: bigint
  readonly tokenAddress: string
  readonly solverAddress: string
}): string {
  return `${at.chainId}:${at.tokenAddress}:${at.solverAddress}`
}

/** The same text for equal values, whatever the order of their fields. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'bigint') return item.toString()
    if (item === null || typeof item !== 'object' || Array.isArray(item)) return item
    return Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  })
}
