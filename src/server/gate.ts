/** Who waits at a gate: as long as it is open, and no longer than it is. */
export interface GateVisitor {
  /** `open`, or something else. */
  readonly readyState: string
  on(name: 'close', listener: () => void): unknown
  off(name: 'close', listener: () => void): unknown
}

/**
 * Something that happens once. A promise would keep everybody who ever waited for it, those included who have left: the
 * database may be away for days, and clients come again and again.
 */
export class Gate {
  readonly #waiting = new Set<() => void>()
  #isOpen = false

  open(): void {
    this.#isOpen = true
    for (const goOn of this.#waiting) goOn()
  }

  /** Resolves when the gate opens, or when the visitor closes. */
  async pass(visitor: GateVisitor): Promise<void> {
    if (this.#isOpen || visitor.readyState !== 'open') return
    await new Promise<void>((resolve) => {
      const goOn = (): void => {
        this.#waiting.delete(goOn)
        visitor.off('close', goOn)
        resolve()
      }
      this.#waiting.add(goOn)
      visitor.on('close', goOn)
    })
  }
}
