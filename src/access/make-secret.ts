import { createHash, randomBytes } from 'node:crypto'

/** Tells people and scanners of leaked secrets what they have found. */
const SECRET_PREFIX = 'tm_'
/** 256 bits: nobody guesses it, so that a plain hash protects it. */
const SECRET_BYTES = 32

/** A new secret: the prefix and 43 characters of base64url. */
export function makeSecret(): string {
  return `${SECRET_PREFIX}${randomBytes(SECRET_BYTES).toString('base64url')}`
}

/** True for a text of the form of `makeSecret`. */
export function isGeneratedSecret(text: string): boolean {
  return /^tm_[\w-]{43}$/.test(text)
}

/** SHA-256 of a secret's UTF-8 bytes, as hex digits. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}
