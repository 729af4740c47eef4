import { describe, expect, it } from 'vitest'

import { readJsonLines } from './json-lines.js'
import type { ByteReader } from './json-lines.js'

/** A body that comes in pieces of so many bytes. */
function bodyOf(text: string, pieceBytes: number): ByteReader {
  const bytes = new TextEncoder().encode(text)
  let at = 0
  return {
    read: async () => {
      if (at >= bytes.length) return { done: true }
      const value = bytes.slice(at, at + pieceBytes)
      at += pieceBytes
      return { done: false, value }
    },
  }
}

async function read(text: string, pieceBytes = 7): Promise<unknown[]> {
  const values: unknown[] = []
  for await (const value of readJsonLines(bodyOf(text, pieceBytes), 200)) values.push(value)
  return values
}

describe('lines of JSON', () => {
  it.each([1, 2, 3, 1000])('are the same in pieces of %i bytes, through the middle of a letter too', async (pieces) => {
    const values = [{ name: 'Täler — 価格 🌊' }, { name: '' }, [1, 2]]
    const text = values.map((value) => `${JSON.stringify(value)}\n`).join('')
    expect(await read(text, pieces)).toEqual(values)
  })

  it('may be none', async () => {
    expect(await read('')).toEqual([])
  })

  it('end with the failure that the service tells in the last of them', async () => {
    const values: unknown[] = []
    const body = bodyOf('{"a":1}\n{"success":false,"error":"away","code":"unavailable"}\n', 9)
    const reading = (async () => {
      for await (const value of readJsonLines(body, 200)) values.push(value)
    })()
    await expect(reading).rejects.toMatchObject({ code: 'unavailable', message: 'away', retryable: true })
    expect(values).toEqual([{ a: 1 }])
  })

  it.each([
    ['a line that is not finished', '{"a":1}\n{"a":2}'],
    ['what is no JSON', '{"a":1}\n<html>\n'],
    ['a bare word', '{"a":1}\ntrue\n'],
    ['a line without end', `{"a":"${'x'.repeat(1_100_000)}`],
  ])('do not pass off %s as the whole', async (_name, text) => {
    await expect(read(text, 100_000)).rejects.toMatchObject({ code: 'bad_answer', retryable: false })
  })
})
