import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

import { BSON } from 'mongodb'
import type { Document } from 'mongodb'

/** What becomes of one command. */
export type ScriptedAnswer =
  | { readonly kind: 'reply'; readonly document: Document; readonly delayMs?: number }
  /** No answer ever comes, but the connection stays open. */
  | { readonly kind: 'silence' }
  /** The connection is cut; of the answer, if one is given, the first half has gone out before. */
  | { readonly kind: 'cut'; readonly document?: Document }

export interface ScriptedMongoDb {
  readonly url: string
  /** What clients asked for, without what drivers do by themselves. */
  readonly commands: readonly Document[]
  readonly connections: number
  close(): Promise<void>
}

/** The first field of a command is its name. */
export function commandName(command: Document): string {
  return Object.keys(command)[0] ?? ''
}

export function reply(document: Document, options: { readonly delayMs?: number } = {}): ScriptedAnswer {
  return { kind: 'reply', document: { ok: 1, ...document }, ...options }
}

/** The server's own refusal, such as code 10107 while there is no primary. */
export function refusal(code: number, codeName: string, fields: Document = {}): ScriptedAnswer {
  return { kind: 'reply', document: { ok: 0, errmsg: `scripted ${codeName}`, code, codeName, ...fields } }
}

/** The first, and without a cursor the only, page of a query's answer. */
export function cursorReply(namespace: string, documents: readonly Document[], cursorId = 0n): ScriptedAnswer {
  return reply({ cursor: { firstBatch: documents, id: BSON.Long.fromBigInt(cursorId), ns: namespace } })
}

const OP_REPLY = 1
const OP_QUERY = 2004
const OP_MSG = 2013
const HEADER_BYTES = 16

/**
 * A server that speaks MongoDB's wire protocol and answers what a test tells it to. It greets every client as a single
 * server that can be written to.
 *
 * @param answer is asked for each command, in the order in which they arrive
 */
export async function startScriptedMongoDb(
  answer: (command: Document, count: number) => ScriptedAnswer,
): Promise<ScriptedMongoDb> {
  const commands: Document[] = []
  const sockets = new Set<Socket>()
  const timers = new Set<NodeJS.Timeout>()
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    let pending = Buffer.alloc(0)
    socket.on('data', (data: Buffer) => {
      pending = Buffer.concat([pending, data])
      while (pending.length >= 4 && pending.length >= pending.readInt32LE(0)) {
        const message = pending.subarray(0, pending.readInt32LE(0))
        pending = pending.subarray(message.length)
        respond(socket, message)
      }
    })
  })

  function respond(socket: Socket, message: Buffer): void {
    const { opCode, requestId, command } = readMessage(message)
    let outcome: ScriptedAnswer
    switch (commandName(command)) {
      case 'ismaster':
      case 'isMaster':
      case 'hello':
        outcome = reply(greeting())
        break
      case 'ping':
      case 'endSessions':
      case 'killCursors':
        outcome = reply({})
        break
      default:
        commands.push(command)
        outcome = answer(command, commands.length)
    }
    if (outcome.kind === 'silence') return
    const bytes = outcome.document === undefined ? null : writeMessage(opCode, requestId, outcome.document)
    if (outcome.kind === 'cut') {
      if (bytes === null) socket.destroy()
      else socket.write(bytes.subarray(0, bytes.length / 2), () => socket.destroy())
    } else if (bytes !== null) {
      const timer = setTimeout(() => {
        timers.delete(timer)
        socket.write(bytes)
      }, outcome.delayMs ?? 0)
      timers.add(timer)
    }
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `mongodb://127.0.0.1:${port}/scripted`,
    commands,
    get connections() {
      return connections
    },
    async close() {
      server.close()
      for (const timer of timers) clearTimeout(timer)
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

function greeting(): Document {
  return {
    helloOk: true,
    ismaster: true,
    isWritablePrimary: true,
    maxBsonObjectSize: 16 * 1024 * 1024,
    maxMessageSizeBytes: 48_000_000,
    maxWriteBatchSize: 100_000,
    minWireVersion: 0,
    maxWireVersion: 17,
    readOnly: false,
  }
}

/** Clients greet by the old OP_QUERY and go on with OP_MSG; documents of a write may come as sections of their own. */
function readMessage(message: Buffer): { opCode: number; requestId: number; command: Document } {
  const requestId = message.readInt32LE(4)
  const opCode = message.readInt32LE(12)
  if (opCode === OP_QUERY) {
    const nameEnd = message.indexOf(0, HEADER_BYTES + 4)
    return { opCode, requestId, command: BSON.deserialize(documentAt(message, nameEnd + 9)) }
  }
  if (opCode !== OP_MSG) throw new Error(`expected OP_QUERY or OP_MSG, got ${opCode}`)
  const command: Document = {}
  for (let offset = HEADER_BYTES + 4; offset < message.length;) {
    const kind = message.readUInt8(offset)
    const size = message.readInt32LE(offset + 1)
    // The command itself comes first.
    if (kind === 0) Object.assign(command, BSON.deserialize(documentAt(message, offset + 1)))
    else {
      const nameEnd = message.indexOf(0, offset + 5)
      const name = message.toString('utf8', offset + 5, nameEnd)
      const documents: Document[] = []
      for (let at = nameEnd + 1; at < offset + 1 + size; at += message.readInt32LE(at)) {
        documents.push(BSON.deserialize(documentAt(message, at)))
      }
      command[name] = documents
    }
    offset += 1 + size
  }
  return { opCode, requestId, command }
}

function documentAt(message: Buffer, offset: number): Buffer {
  return message.subarray(offset, offset + message.readInt32LE(offset))
}

function writeMessage(opCode: number, requestId: number, document: Document): Buffer {
  const body = BSON.serialize(document)
  // OP_REPLY has flags, a cursor, a starting point and a count before the document; OP_MSG has flags and a kind.
  const preface = Buffer.alloc(opCode === OP_QUERY ? 20 : 5)
  if (opCode === OP_QUERY) preface.writeInt32LE(1, 16)
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeInt32LE(HEADER_BYTES + preface.length + body.length, 0)
  header.writeInt32LE(requestId, 8)
  header.writeInt32LE(opCode === OP_QUERY ? OP_REPLY : OP_MSG, 12)
  return Buffer.concat([header, preface, body])
}
