import type { EvmFrame } from './evm-frame.js'

/** Does one operation. The place in the code has already moved behind it. */
export type EvmOperation = (frame: EvmFrame) => void
