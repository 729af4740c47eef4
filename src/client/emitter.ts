/** Calls listeners by name. Stands in a browser as in Node. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(payload: never) => void>>()

  /** @returns what takes the listener away again. */
  on<Name extends keyof Events>(name: Name, listener: (payload: Events[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    // A wrapper of its own: the same function may listen twice.
    const entry = (payload: Events[Name]): void => listener(payload)
    listeners.add(entry)
    return () => void listeners.delete(entry)
  }

  /** Calls every listener, whatever the others do: what one throws is thrown where nobody waits for it. */
  emit<Name extends keyof Events>(name: Name, payload: Events[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        listener(payload as never)
      } catch (error) {
        throwLater(error)
      }
    }
  }
}

/** Lets an error of the user's own code reach the place where uncaught errors are told. */
function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
