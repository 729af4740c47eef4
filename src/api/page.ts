import { z } from 'zod'

import { integerParameter } from './scalars.js'

/** Items per page. */
export const LIMIT_MAX = 500
/** Items per page when the request does not say. */
const LIMIT_DEFAULT = 100

/** The `limit` parameter of every list. */
export const limitParameter: z.ZodType<number, string | undefined> = integerParameter({ min: 1, max: LIMIT_MAX })
  .optional()
  .transform((limit) => limit ?? LIMIT_DEFAULT)
  .meta({ description: `Items per page, 1 to ${LIMIT_MAX}; ${LIMIT_DEFAULT} when absent` })

/** A page of a list. */
export interface WirePage<Item> {
  readonly items: readonly Item[]
  /** Goes into `cursor` to get the next page; null when this is the last one. */
  readonly nextCursor: string | null
}

/** The schema of a page. */
export function pageSchema<Item>(item: z.ZodType<Item>): z.ZodType<WirePage<Item>> {
  return z.strictObject({
    items: z.array(item),
    nextCursor: z.string().nullable().meta({ description: 'Goes into `cursor` for the next page; null at the end' }),
  })
}

/** A list that always fits one page. */
export function onePage<Item>(items: readonly Item[]): WirePage<Item> {
  return { items, nextCursor: null }
}
