import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'

import { describe, expect, it } from 'vitest'

import { Output, OutputClosedError } from './output.js'

describe('Output', () => {
  it('waits for a slow reader, and stops when there is none any more', async () => {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const stream = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const [reader] = (await once(server, 'connection')) as [ReturnType<typeof connect>]
    const output = new Output(stream, {})
    const line = 'x'.repeat(1_000_000)
    let written = 0
    const writing = (async () => {
      for (;;) {
        await output.write(line)
        written += 1
      }
    })()
    let read = 0
    reader.on('data', (data: Buffer) => {
      read += data.length
      if (read > 20_000_000) reader.destroy()
    })
    await expect(writing).rejects.toThrow(OutputClosedError)
    expect(output.closed.aborted).toBe(true)
    // What the reader did not take, and the buffers of two sockets do not hold, was not written.
    expect(written).toBeLessThan(60)
    await expect(output.write('more')).rejects.toThrow(OutputClosedError)
    server.close()
  })

  it('knows a terminal, and whether it wants colour', () => {
    const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 0 })
    expect(new Output(terminal, {})).toMatchObject({ isTerminal: true, colours: true, width: 80 })
    expect(new Output(terminal, { NO_COLOR: '1' })).toMatchObject({ isTerminal: true, colours: false })
    expect(new Output(terminal, { TERM: 'dumb' })).toMatchObject({ isTerminal: false, colours: false, width: null })
    expect(new Output(new PassThrough(), {})).toMatchObject({ isTerminal: false, colours: false, width: null })
  })
})
