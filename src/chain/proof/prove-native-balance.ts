import { verifyMerkleProof } from '@ethereumjs/mpt'
import { fromRlp, hexToBytes } from 'viem/utils'

import type { Address } from '../../model/address.js'
import type { BalanceProof } from '../../model/balance-proof.js'
import type { BlockRef } from '../../model/block.js'
import { messageOf } from '../../model/errors.js'
import type { Hex } from '../../model/position.js'
import { decodeArray, decodeData, decodeObject, isObject } from '../rpc/quantity.js'
import type { EndpointSession, RpcClient } from '../rpc/rpc-client.js'
import { BlockUnavailableError, NodeError, StateUnavailableError } from '../rpc/rpc-errors.js'
import { stateRootOf } from './header-state-root.js'

/** Nodes of a path through the state: 64 half-bytes of key bound its length. */
const PROOF_NODES_MAX = 65

/**
 * Asks for a Merkle proof (EIP-1186) of a wallet's native balance and checks it against the state root that the block's
 * hash commits to. Nothing the node says is believed but the hash that is passed in.
 */
export function proveNativeBalance(client: RpcClient, block: BlockRef, wallet: Address): Promise<BalanceProof> {
  return client.run(async (session) => {
    const header = await session.request('eth_getBlockByHash', [block.hash, false])
    if (!isObject(header)) throw new BlockUnavailableError(`the endpoint does not have block ${block.number}`)
    const stateRoot = stateRootOf(header, block.hash)
    if (stateRoot === null) {
      return { kind: 'unprovable', reason: 'the header’s fields do not hash to the block’s hash in the usual way' }
    }
    const nodes = await requestProof(session, block, wallet)
    if (nodes === null) return { kind: 'unprovable', reason: 'the endpoint does not serve eth_getProof for this block' }
    try {
      return { kind: 'proven', balance: await balanceIn(nodes, stateRoot, wallet) }
    } catch (error) {
      return { kind: 'refuted', reason: messageOf(error) }
    }
  })
}

/** Some nodes take the block's hash by itself, others only as an object, others only a number. */
async function requestProof(
  session: EndpointSession,
  block: BlockRef,
  wallet: Address,
): Promise<readonly Hex[] | null> {
  for (const at of [{ blockHash: block.hash }, block.hash, `0x${block.number.toString(16)}`]) {
    try {
      const answer = decodeObject(await session.request('eth_getProof', [wallet, [], at]), 'eth_getProof')
      const nodes = decodeArray(answer['accountProof'], 'account proof')
      if (nodes.length > PROOF_NODES_MAX) return null
      return nodes.map((node) => decodeData(node, 'proof node'))
    } catch (error) {
      if (!(error instanceof NodeError) && !(error instanceof StateUnavailableError)) throw error
    }
  }
  return null
}

/** @throws when the nodes do not form a path from the root to the wallet's account, or to proof of its absence. */
async function balanceIn(nodes: readonly Hex[], stateRoot: Hex, wallet: Address): Promise<bigint> {
  const value = await verifyMerkleProof(
    hexToBytes(wallet),
    nodes.map((node) => hexToBytes(node)),
    { root: hexToBytes(stateRoot), useKeyHashing: true },
  )
  if (value === null) return 0n
  const account = fromRlp(value, 'hex')
  const balance = Array.isArray(account) && account.length === 4 ? account[1] : undefined
  if (typeof balance !== 'string') throw new Error('expected an account of four fields in the proof')
  return balance === '0x' ? 0n : BigInt(balance)
}
