/** What a token says of itself. Null where it does not say, or says nonsense: metadata never decides what is stored. */
export interface TokenMetadata {
  readonly decimals: number | null
  readonly symbol: string | null
  readonly name: string | null
}
