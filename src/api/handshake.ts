import { z } from 'zod'

/** What a client may put into the `auth` of its Socket.IO handshake. */
export interface Handshake {
  /** API key; needed when the service has keys. */
  readonly token: string | null
  /** `seq` of the last event the client has: everything after it is sent first. */
  readonly since: bigint | null
  /** The log that `since` belongs to. */
  readonly log: string | null
  /** False for a client that only reports: it is pushed nothing. */
  readonly events: boolean
}

const seqParameter = z
  .union([z.int().nonnegative(), z.string().regex(/^\d{1,18}$/)])
  .transform(BigInt)
  .nullish()

// Unknown fields are passed over: clients put things of their own into `auth`.
const handshakeSchema = z.object({
  token: z.string().max(512).nullish(),
  since: seqParameter,
  log: z.string().max(64).nullish(),
  events: z.boolean().nullish(),
})

/** Reads the handshake's `auth`; null when it is not one. */
export function parseHandshake(auth: unknown): Handshake | null {
  const parsed = handshakeSchema.safeParse(auth ?? {})
  if (!parsed.success) return null
  const { token, since, log, events } = parsed.data
  return { token: token ?? null, since: since ?? null, log: log ?? null, events: events ?? true }
}
