import { WebSocket } from 'ws'

/** A Socket.IO client that costs next to nothing: the test is of the server. */
export interface RawSocket {
  readonly socket: WebSocket
  /** Called with the text of each event, `["name",payload]`. */
  onEvent: (text: string) => void
  emit(name: string, payload: unknown): void
}

/** Resolves when the server has greeted the client. `onEvent` gets what comes after. */
export function openRawSocket(
  url: string,
  auth: object = {},
  onEvent: (text: string) => void = () => undefined,
): Promise<RawSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/api/socket.io/?EIO=4&transport=websocket`, {
    perMessageDeflate: false,
  })
  const raw: RawSocket = {
    socket,
    onEvent,
    emit: (name, payload) => socket.send(`42${JSON.stringify([name, payload])}`),
  }
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the server closed the connection')))
    socket.on('message', (data: Buffer) => {
      const text = data.toString()
      if (text.startsWith('42')) {
        if (text.startsWith('42["connected"')) resolve(raw)
        else raw.onEvent(text.slice(2))
      } else if (text === '2') socket.send('3')
      else if (text.startsWith('0')) socket.send(`40${JSON.stringify(auth)}`)
      else if (text.startsWith('44')) reject(new Error(text))
    })
  })
}
