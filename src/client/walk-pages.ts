import type { WirePage } from '../api/page.js'
import { TidemarkApiError } from './api-failure.js'

/** Yields the items of a list page by page. */
export async function* walkPages<Item>(
  read: (cursor: string | undefined) => Promise<WirePage<Item>>,
  start: string | undefined,
): AsyncGenerator<Item, void, undefined> {
  let cursor = start
  for (;;) {
    const page = await read(cursor)
    yield* page.items
    if (page.nextCursor === null) return
    if (page.nextCursor === cursor) {
      throw new TidemarkApiError('expected another page, got the same cursor again', {
        code: 'bad_answer',
        retryable: false,
      })
    }
    cursor = page.nextCursor
  }
}
