/** A block of a position's chain, or a time: the newest block at or before it. */
export type Instant = { readonly block: bigint } | { readonly time: Date }
