import { z } from 'zod'

import type { TokenMetadata } from '../model/token-metadata.js'

/** What a token says of itself; what it does not say is left out. */
export interface WireTokenFields {
  readonly decimals?: number
  readonly tokenSymbol?: string
  readonly tokenName?: string
}

/** The fields as part of an object's schema. */
export const tokenFieldsShape: {
  decimals: z.ZodExactOptional<z.ZodInt>
  tokenSymbol: z.ZodExactOptional<z.ZodString>
  tokenName: z.ZodExactOptional<z.ZodString>
} = {
  decimals: z.int().exactOptional(),
  tokenSymbol: z.string().exactOptional(),
  tokenName: z.string().exactOptional(),
}

export function encodeTokenFields(metadata: TokenMetadata): WireTokenFields {
  return {
    ...(metadata.decimals === null ? {} : { decimals: metadata.decimals }),
    ...(metadata.symbol === null ? {} : { tokenSymbol: metadata.symbol }),
    ...(metadata.name === null ? {} : { tokenName: metadata.name }),
  }
}
