import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)
/** Viem exports the Multicall3 it carries under no name of its own. */
const carried = require(join(dirname(require.resolve('viem')), 'constants/contracts.js')) as {
  readonly multicall3Bytecode: string
}

/** Its runtime follows 32 bytes of creation code. */
export const multicall3Runtime = `0x${carried.multicall3Bytecode.slice(2 + 64)}`
