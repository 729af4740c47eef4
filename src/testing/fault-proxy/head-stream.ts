import type { Clock } from '../../model/clock.js'
import { socketFaultKinds } from './fault.js'
import type { FaultPlan, SocketFaultKind, Strike } from './fault.js'

const headFaultKinds = socketFaultKinds.filter((kind) => kind.startsWith('heads-'))

/** Heads on their way to one client: some are lost, held back, or come more than once. */
export class HeadStream {
  readonly #plan: FaultPlan
  readonly #clock: Clock
  readonly #send: (head: unknown) => void
  readonly #callOff = new Set<() => void>()
  #held: readonly unknown[] = []
  #skipping = 0

  constructor(options: { plan: FaultPlan; clock: Clock; send: (head: unknown) => void }) {
    this.#plan = options.plan
    this.#clock = options.clock
    this.#send = options.send
  }

  push(head: unknown): void {
    if (this.#skipping > 0) {
      this.#skipping -= 1
      return
    }
    // One head suffers one fault; the others are kept for the next.
    const [strike, ...rest] = this.#plan.strikes(headFaultKinds, [])
    for (const other of rest) other.missed()
    const held = this.#held
    this.#held = []
    if (strike === undefined) this.#send(head)
    else this.#strike(strike, head)
    // What was held back comes after a newer one.
    for (const older of held) this.#send(older)
  }

  close(): void {
    for (const callOff of this.#callOff) callOff()
    this.#callOff.clear()
  }

  #strike(strike: Strike<SocketFaultKind>, head: unknown): void {
    const { fault } = strike
    strike.took()
    switch (fault.kind) {
      case 'heads-dropped':
        return
      case 'heads-skipped':
        this.#skipping = fault.heads - 1
        return
      case 'heads-duplicated':
        return this.#repeat(head, 2)
      case 'heads-flood':
        return this.#repeat(head, fault.copies)
      case 'heads-reordered':
        this.#held = [head]
        return
      case 'heads-delayed': {
        const callOff = this.#clock.schedule(fault.delayMs, () => {
          this.#callOff.delete(callOff)
          this.#send(head)
        })
        this.#callOff.add(callOff)
        return
      }
      case 'socket-refused':
      case 'socket-silent':
      case 'socket-cut':
      case 'garbage-frames':
        throw new TypeError(`expected a fault of heads, got ${fault.kind}`)
    }
  }

  #repeat(head: unknown, copies: number): void {
    for (let copy = 0; copy < copies; copy += 1) this.#send(head)
  }
}
