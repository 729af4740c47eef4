import type { Hash } from '../../model/position.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import { WrongGenesisError } from '../rpc/rpc-errors.js'
import { fetchGenesisHash } from './fetch-headers.js'

/**
 * Makes sure that the endpoint in use serves the chain whose records are stored.
 *
 * @param known the stored hash of block 0; null when there is none
 * @returns the hash of block 0; null where the node does not serve it
 * @throws {WrongGenesisError} when the stored records belong to another chain
 */
export async function checkGenesis(client: RpcClient, known: Hash | null): Promise<Hash | null> {
  const served = await fetchGenesisHash(client)
  if (known !== null && served !== null && known !== served) {
    // Another endpoint may serve the right one.
    client.turnAway()
    throw new WrongGenesisError(`expected the chain that begins with ${known}, the endpoint serves ${served}`, {
      hint: 'A chain that was started anew needs another chain id, or an empty database.',
    })
  }
  return served
}
