import type { Random } from '../random.js'

/** Faults of a single answer, whichever way it travels. */
export const answerFaultKinds = [
  'lagging',
  'null-block',
  'null-receipt',
  'empty-logs',
  'partial-logs',
  'removed-logs',
  'empty-past-head',
  'rate-limit-error',
  'wrong-chain-id',
  'block-unavailable',
  'state-pruned',
  'other-block',
  'no-state-override',
  'capped-gas',
  'capped-response',
  'hex-oddity',
  'subscribe-refused',
] as const

/** Faults of a whole HTTP reply. */
export const replyFaultKinds = [
  'http-429',
  'http-5xx',
  'html-200',
  'hang',
  'reset',
  'truncated',
  'malformed',
  'wrong-id',
  'result-and-error',
  'missing-result',
  'batch-partial',
  'batch-reordered',
  'batch-as-object',
] as const

/** Faults of a WebSocket connection and of what is pushed over it. */
export const socketFaultKinds = [
  'socket-refused',
  'socket-silent',
  'socket-cut',
  'garbage-frames',
  'heads-dropped',
  'heads-skipped',
  'heads-duplicated',
  'heads-reordered',
  'heads-delayed',
  'heads-flood',
] as const

export type AnswerFaultKind = (typeof answerFaultKinds)[number]
export type ReplyFaultKind = (typeof replyFaultKinds)[number]
export type SocketFaultKind = (typeof socketFaultKinds)[number]
export type FaultKind = AnswerFaultKind | ReplyFaultKind | SocketFaultKind

export const faultKinds: readonly FaultKind[] = [...answerFaultKinds, ...replyFaultKinds, ...socketFaultKinds]

/** Forms of a number or of data that no node should send. `zero` stands where data is due, and is no fault of a number. */
export const hexOddities = {
  empty: '0x',
  zero: '0x0',
  'odd length': '0x123',
  'too long': '0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  negative: '-0x1',
  decimal: '12345',
  null: null,
} as const

export type HexOddity = keyof typeof hexOddities

/** When a fault strikes: always, unless said otherwise. All conditions given must hold. */
export interface FaultTrigger {
  /** Only calls of these methods; a reply is struck when it answers one of them. Pushed heads have no method. */
  readonly methods?: readonly string[]
  /** From 0 to 1. */
  readonly probability?: number
  /** So many times, then no more. */
  readonly times?: number
  /** Not before so many chances have passed. */
  readonly afterRequests?: number
}

type PlainKind = Exclude<
  FaultKind,
  | 'lagging'
  | 'empty-past-head'
  | 'wrong-chain-id'
  | 'state-pruned'
  | 'other-block'
  | 'capped-gas'
  | 'capped-response'
  | 'hex-oddity'
  | 'http-429'
  | 'http-5xx'
  | 'heads-skipped'
  | 'heads-delayed'
  | 'heads-flood'
>

export type Fault = FaultTrigger &
  (
    | { [Kind in PlainKind]: { readonly kind: Kind } }[PlainKind]
    /** Answers as of `blocks` blocks ago: nothing newer is known. */
    | { readonly kind: 'lagging'; readonly blocks: number }
    /** Logs come from a backend that is `blocks` behind, 0 when absent, and has nothing to say of what lies beyond. */
    | { readonly kind: 'empty-past-head'; readonly blocks?: number }
    | { readonly kind: 'wrong-chain-id'; readonly chainId: bigint }
    /** State is there for the newest `blocks` blocks only; for none when absent. */
    | { readonly kind: 'state-pruned'; readonly blocks?: number }
    /** State is read from the parent (-1) or from the next block (1). */
    | { readonly kind: 'other-block'; readonly shift: -1 | 1 }
    | { readonly kind: 'capped-gas'; readonly gas: bigint }
    /** A larger result is answered with an error. */
    | { readonly kind: 'capped-response'; readonly bytes: number }
    | { readonly kind: 'hex-oddity'; readonly form: HexOddity }
    | { readonly kind: 'http-429'; readonly retryAfter?: { readonly seconds: number } | { readonly date: Date } }
    | { readonly kind: 'http-5xx'; readonly status: number }
    /** So many heads in a row are never told of. */
    | { readonly kind: 'heads-skipped'; readonly heads: number }
    | { readonly kind: 'heads-delayed'; readonly delayMs: number }
    /** Each head comes so many times. */
    | { readonly kind: 'heads-flood'; readonly copies: number }
  )

export type FaultOf<Kind extends FaultKind> = Extract<Fault, { readonly kind: Kind }>

/** A fault that is to strike now. */
export interface Strike<Kind extends FaultKind = FaultKind> {
  readonly fault: FaultOf<Kind>
  /** For whatever else the fault leaves to chance; from 0 to 999,999. */
  readonly lot: number
  /** The fault really changed something: without this call it does not count, and `times` are not used up. */
  took(): void
  /** The fault found nothing to change. */
  missed(): void
}

/** Injected faults go on until they are lifted. */
export interface InjectedFault {
  /** How many times it took effect. */
  readonly count: number
  lift(): void
}

interface Active extends InjectedFault {
  readonly fault: Fault
  chances: number
  left: number
  count: number
}

const LOTS = 1_000_000

/** Decides by lot which faults strike, and counts those that did. */
export class FaultPlan {
  readonly counts: Map<FaultKind, number> = new Map()
  readonly #random: Random
  #active: Active[] = []

  constructor(random: Random, faults: readonly Fault[] = []) {
    this.#random = random
    for (const fault of faults) this.inject(fault)
  }

  inject(fault: Fault): InjectedFault {
    const active: Active = {
      fault,
      chances: 0,
      left: fault.times ?? Number.POSITIVE_INFINITY,
      count: 0,
      lift: () => {
        this.#active = this.#active.filter((other) => other !== active)
      },
    }
    this.#active.push(active)
    return active
  }

  clear(): void {
    this.#active = []
  }

  /** All faults of some kinds that strike now, in the order in which they were injected. Lots are drawn at once. */
  strikes<Kind extends FaultKind>(kinds: readonly Kind[], methods: readonly string[]): readonly Strike<Kind>[] {
    return this.#active.flatMap((active) => {
      if (!isOfKind(active.fault, kinds) || !this.#falls(active, methods)) return []
      active.left -= 1
      return [this.#strike(active, active.fault)]
    })
  }

  #strike<Kind extends FaultKind>(active: Active, fault: Strike<Kind>['fault']): Strike<Kind> {
    let settled = false
    const settle = (effect: boolean): void => {
      if (settled) return
      settled = true
      if (effect) {
        active.count += 1
        this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1)
      } else active.left += 1
    }
    return {
      fault,
      lot: this.#random.integer(0, LOTS - 1),
      took: () => settle(true),
      missed: () => settle(false),
    }
  }

  #falls(active: Active, methods: readonly string[]): boolean {
    const { fault } = active
    if (fault.methods !== undefined && !methods.some((method) => fault.methods?.includes(method))) return false
    active.chances += 1
    if (active.chances <= (fault.afterRequests ?? 0) || active.left <= 0) return false
    return fault.probability === undefined || this.#random.integer(0, LOTS - 1) < fault.probability * LOTS
  }
}

function isOfKind<Kind extends FaultKind>(fault: Fault, kinds: readonly Kind[]): fault is FaultOf<Kind> {
  return kinds.some((kind) => kind === fault.kind)
}
