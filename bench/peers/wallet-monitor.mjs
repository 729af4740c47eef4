// Reads the balances of all wallets once with @xlabs-xyz/wallet-monitor, in its ordinary way. The proxy in front of the
// node counts what that takes. Arguments: the node's URL, and a JSON file {wallets, tokens}.
import { readFileSync } from 'node:fs'

import walletMonitor from '@xlabs-xyz/wallet-monitor/lib/src/wallets/index.js'

const [nodeUrl, file] = process.argv.slice(2)
const { wallets, tokens } = JSON.parse(readFileSync(file, 'utf8'))
const toolbox = walletMonitor.createWalletToolbox(
  'mainnet',
  'ethereum',
  wallets.map((address) => ({ address, tokens })),
  { nodeUrl, failOnInvalidTokens: true },
)
const startedAt = performance.now()
const balances = await toolbox.pullBalances()
const tookMs = performance.now() - startedAt
const read = balances.reduce((sum, balance) => sum + 1 + balance.tokens.length, 0)
console.log(JSON.stringify({ read, tookMs }))
