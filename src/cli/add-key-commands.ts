import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'

import { apiKeyScopes } from '../index.js'
import type { ApiKeyScope } from '../index.js'
import type { Finish } from './add-balance-commands.js'

const keyExamples = `Examples:
  $ tidemark keys add trading-bot --scope write     may send snapshots and read
  $ tidemark keys add screen --scope read           may read, and gets pushed events
  $ tidemark keys list
  $ tidemark keys revoke trading-bot

Running services take a new key, and refuse a revoked one, within seconds; the embedded database may stay in use.
`

export function addKeyCommands(program: Command, finish: Finish): void {
  const keys = program
    .command('keys')
    .description('add, list and revoke API keys in the database')
    .addHelpText('before', keyExamples)

  keys
    .command('add <name>')
    .description('make a key; its secret goes to standard output, this once')
    .requiredOption('-s, --scope <scope>', 'read, write or admin; each includes those before it', readScope)
    .option('-c, --config <file>', 'configuration file')
    .option('--json', 'print the key as JSON')
    .action(async (name: string, options) => {
      finish(await (await import('./keys.js')).addKey(name, options))
    })

  keys
    .command('list')
    .description('show every key, and when it was used last; secrets are not kept')
    .option('-c, --config <file>', 'configuration file')
    .option('--json', 'print the keys as JSON')
    .action(async (options) => {
      finish(await (await import('./keys.js')).listKeys(options))
    })

  keys
    .command('revoke <name-or-id>')
    .description('end a key for good, and its connections')
    .option('-c, --config <file>', 'configuration file')
    .option('--json', 'print the key as JSON')
    .action(async (nameOrId: string, options) => {
      finish(await (await import('./keys.js')).revokeKey(nameOrId, options))
    })
}

/** Collects `--scope`, which may be given several times or as a list with commas. */
function readScope(text: string, before: readonly ApiKeyScope[] = []): readonly ApiKeyScope[] {
  const scopes = text.split(',').map((part) => apiKeyScopes.find((scope) => scope === part.trim()))
  return [...before, ...scopes.map((scope) => scope ?? refuseScope())]
}

function refuseScope(): never {
  throw new InvalidArgumentError('expected read, write or admin.')
}
