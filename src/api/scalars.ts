import { z } from 'zod'

import type { Address } from '../model/address.js'
import { isAddress } from '../model/address.js'
import type { Token } from '../model/position.js'

// Inputs accept every letter case; outputs are written by the encoders and only described here.

/** A chain id in a request. */
export const chainIdParameter: z.ZodType<bigint, string> = z
  .string()
  .regex(/^[1-9]\d{0,18}$/, { error: 'expected a chain id such as 1 or 8453' })
  .transform(BigInt)
  .refine((chainId) => chainId < 2n ** 63n, { error: 'expected a chain id below 2^63' })
  .meta({ description: 'EVM chain id', example: '1' })

/** An account or contract address in a request: stored form, lower case. */
export const addressParameter: z.ZodType<Address, string> = z
  .string()
  .regex(/^0[xX][0-9a-fA-F]{40}$/, { error: 'expected an address: 0x and 40 hexadecimal digits' })
  .toLowerCase()
  .refine(isAddress)
  .meta({ description: 'Address in any letter case', example: '0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045' })

/** `native` or a contract address in a request. */
export const tokenParameter: z.ZodType<Token, string> = z
  .string()
  .regex(/^([nN][aA][tT][iI][vV][eE]|0[xX][0-9a-fA-F]{40})$/, {
    error: 'expected "native" or a token address: 0x and 40 hexadecimal digits',
  })
  .toLowerCase()
  .refine(isToken)
  .meta({ description: '`native`, or a token address in any letter case', example: 'native' })

/** A block number in a request. */
export const blockNumberParameter: z.ZodType<bigint, string> = z
  .string()
  .regex(/^(0|[1-9]\d{0,17})$/, { error: 'expected a block number' })
  .transform(BigInt)
  .meta({ description: 'Block number', example: '21000000' })

/** A time in a request. */
export const timeParameter: z.ZodType<Date, string> = z.iso
  .datetime({ offset: true, error: 'expected an ISO 8601 time with Z or an offset, such as 2025-11-07T00:45:08.603Z' })
  .transform((text) => new Date(text))
  .meta({ description: 'ISO 8601 time', example: '2025-11-07T00:45:08.603Z' })

/** A whole number in a query string. */
export function integerParameter(range: { min: number; max: number }): z.ZodType<number, string> {
  const error = `expected a whole number from ${range.min} to ${range.max}`
  return z
    .string()
    .regex(/^\d{1,10}$/, { error })
    .transform(Number)
    .refine((value) => value >= range.min && value <= range.max, { error })
    .meta({ override: { type: 'integer', minimum: range.min, maximum: range.max, pattern: undefined } })
}

function isToken(text: string): text is Token {
  return text === 'native' || isAddress(text)
}

/** A chain id in an answer. */
export const wireChainId: z.ZodType<string> = z.string().meta({ description: 'EVM chain id', example: '1' })

/** An address in an answer. */
export const wireAddress: z.ZodType<string> = z
  .string()
  .meta({ description: 'Address in EIP-55 spelling', example: '0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045' })

/** `native` or a contract address in an answer. */
export const wireToken: z.ZodType<string> = z
  .string()
  .meta({ description: '`native`, or a token address in EIP-55 spelling', example: 'native' })

/** An integer of any size in an answer. */
export const wireInteger: z.ZodType<string> = z
  .string()
  .regex(/^-?\d+$/)
  .meta({ description: 'Integer as decimal text, exact at any size', example: '1500000' })

/** A block number in an answer. */
export const wireBlockNumber: z.ZodType<string> = z
  .string()
  .regex(/^\d+$/)
  .meta({ description: 'Block number as decimal text', example: '21000000' })

/** A 32-byte hash in an answer. */
export const wireHash: z.ZodType<string> = z
  .string()
  .regex(/^0x[0-9a-f]{64}$/)
  .meta({ description: '32-byte hash' })

/** A time in an answer. */
export const wireTime: z.ZodType<string> = z.iso
  .datetime()
  .meta({ description: 'ISO 8601 time in UTC', example: '2025-11-07T00:45:08.603Z' })
