import type { WireChain } from './chain-wire.js'
import { wireChainSchema } from './chain-wire.js'
import type { WirePage } from './page.js'
import { pageSchema } from './page.js'
import type { Route } from './route.js'
import { anything, noParameters } from './route.js'

export const listChains: Route<unknown, unknown, unknown, WirePage<WireChain>> = {
  method: 'GET',
  path: '/api/chains',
  operationId: 'listChains',
  tag: 'chains',
  summary: 'How each chain is doing',
  scope: 'read',
  params: noParameters,
  query: noParameters,
  body: anything,
  documentedBody: null,
  answer: { status: 200, description: 'All chains', schema: pageSchema(wireChainSchema) },
  errors: [],
}
