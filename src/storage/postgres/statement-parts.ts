import type { Statement } from './database.js'

/** PostgreSQL cuts longer names of prepared statements. */
const NAME_LENGTH_MAX = 63
/** Letters of each part's name that go into the statement's: no two parts of a statement begin alike. */
const PART_LETTERS = 3

/**
 * One statement made of named parts, for what has to happen in a single round trip. Parts that have nothing to do are
 * left out, and the statement's name says which ones are in, so that each combination is prepared once.
 */
export class StatementParts {
  readonly #name: string
  readonly #parts = new Map<string, string>()
  readonly #values: unknown[] = []

  constructor(name: string) {
    this.#name = name
  }

  /** Takes a value in and returns its placeholder. */
  value(value: unknown): string {
    this.#values.push(value)
    return `$${this.#values.length}`
  }

  /** Adds a part that later ones may name. */
  add(name: string, text: string): void {
    if (this.#parts.has(name)) throw new Error(`invariant: the statement has one part named ${name}`)
    this.#parts.set(name, text)
  }

  build(result: string): Statement {
    const parts = [...this.#parts].map(([name, text]) => `${name} as (${text})`)
    const variant = [...this.#parts.keys()].map((name) => name.slice(0, PART_LETTERS))
    const name = `${this.#name} ${variant.join('')}`
    if (name.length > NAME_LENGTH_MAX || new Set(variant).size < variant.length) {
      throw new Error(`invariant: the parts of a statement give it a name of its own, got ${name}`)
    }
    return {
      name,
      text: `with ${parts.join(',\n')}\n${result}`,
      values: this.#values,
    }
  }
}
