import type { Picture } from './render-picture.js'

/** Where the demo shows what happens. */
export interface DemoOutput {
  /** Before there is anything to show. */
  starting(): void
  /** From when the service answers. */
  ready(url: string, picture: () => Picture): void
  firstBalance(picture: Picture): void
  problem(problem: string): void
  /** Nothing moves any more, whether all went well or not. Safe to call when nothing was shown. */
  stopping(): void
  /** The last word when all went well. */
  end(summary: string): void
}
