/** A place in the event log: everything up to `seq` has been seen. */
export interface Place {
  /** Decimal text. */
  readonly seq: string
  /** The log that `seq` belongs to. */
  readonly log: string
}

/** Where a viewer's place is kept between runs: `localStorage`, a file, a database. */
export interface PlaceStorage {
  load(): Place | null | undefined | Promise<Place | null | undefined>
  save(place: Place): void | Promise<void>
}

/** Stores the newest place, one at a time: while one is being stored, only the newest of those that follow waits. */
export class PlaceKeeper {
  readonly #storage: PlaceStorage | undefined
  readonly #onProblem: (error: Error) => void
  #newest: Place | null = null
  #saving: Promise<void> | null = null

  constructor(storage: PlaceStorage | undefined, onProblem: (error: Error) => void) {
    this.#storage = storage
    this.#onProblem = onProblem
  }

  /** @throws when the storage does, or holds something that is no place. */
  async load(): Promise<Place | null> {
    const place = (await this.#storage?.load()) ?? null
    if (place === null) return null
    if (typeof place.seq !== 'string' || !/^\d{1,18}$/.test(place.seq) || typeof place.log !== 'string') {
      throw new Error('expected a place {seq, log}, with seq as decimal text')
    }
    return { seq: place.seq, log: place.log }
  }

  /** Notes a place. It is stored after the listeners of its event have been called. */
  keep(place: Place): void {
    if (this.#storage === undefined) return
    this.#newest = place
    this.#saving ??= this.#saveAll(this.#storage)
  }

  /** Resolves when the newest place has been stored. */
  async settled(): Promise<void> {
    await this.#saving
  }

  async #saveAll(storage: PlaceStorage): Promise<void> {
    // After the turn in which the event is handed out: a place that is stored has been seen.
    await Promise.resolve()
    while (this.#newest !== null) {
      const place = this.#newest
      this.#newest = null
      try {
        await storage.save(place)
      } catch (error) {
        this.#onProblem(error instanceof Error ? error : new Error(String(error)))
      }
    }
    this.#saving = null
  }
}
