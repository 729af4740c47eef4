import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { format } from 'oxfmt'
import { chainAliases, chainRegistry } from '../src/config/chain-registry.js'
import { chainSettings, processSettings, type Setting } from '../src/config/settings.js'

/** Where the page stands. */
export const configurationDocsPath: string = fileURLToPath(
  new URL('../docs/reference/configuration.md', import.meta.url),
)

/** The text of `docs/reference/configuration.md`, from the table of settings. */
export async function renderConfigurationDocs(): Promise<string> {
  const optionsFile = new URL('../.oxfmtrc.json', import.meta.url)
  const options = JSON.parse(await readFile(optionsFile, 'utf8')) as Parameters<typeof format>[2]
  const formatted = await format(configurationDocsPath, renderPage(), options)
  if (formatted.errors.length > 0) throw new Error('expected a page that can be formatted')
  return formatted.code
}

function renderPage(): string {
  return `<!-- Written by scripts/generate-configuration-docs.ts from src/config/settings.ts: change those, not this page. -->

# Configuration

Settings come from environment variables and from a configuration file; for each setting the environment wins.
Values are trimmed, and an empty variable counts as not set. Lists are separated by commas. A wrong setting stops the
start; the error names every wrong setting, what was expected and what was given, with secrets masked.

## The process

${renderSettings(processSettings, (setting) => [setting.variable, setting.key])}

## Chains

A chain is followed when its \`RPC_URL\` is set. Each variable starts with the chain's name or with its id, so
\`ETHEREUM_RPC_URL\` and \`CHAIN_1_RPC_URL\` mean the same; using both for one chain is an error, and so are endpoints
or tokens without an \`RPC_URL\`. Any chain id can be used, known or not. An \`…_RPC_URL\` or \`…_WS_URL\` with an unknown name is ignored with a warning.

${renderSettings(chainSettings, (setting) => [`<CHAIN>_${setting.variable}`, `chains.<chain>.${setting.key}`])}

<details>
<summary>Names of chains, with their ids</summary>

${renderChainNames()}

</details>

## The configuration file

The file is \`tidemark.config.ts\`, \`.mts\`, \`.js\`, \`.mjs\`, \`.cjs\` or \`.json\` in the working directory, or the one
that \`--config\` or, without it, \`TIDEMARK_CONFIG\` names. Its default export is an object, or a function (also an
async one) that returns the object. Unknown keys are refused. \`<chain>\` is a name in camel case or a chain id.

\`\`\`ts
import { defineConfig } from 'tidemark'

export default defineConfig({
  chains: {
    ethereum: { rpcUrl: 'https://eth.llamarpc.com', tokens: ['0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48'] },
    '31338': { rpcUrl: ['http://127.0.0.1:8545'], name: 'Local', nativeSymbol: 'ETH', pollIntervalMs: 500 },
  },
  solvers: ['0x742d35cc8ebb5295b999c084b9dd5bf7a93f6c4b', { address: '0x6b175474e89094c44da98b954eedeac495271d0f', label: 'hot-2' }],
  apiKeys: [{ name: 'dashboard', scopes: ['read'], secret: process.env['DASHBOARD_SECRET'] ?? '' }],
})
\`\`\`
`
}

function renderSettings(settings: readonly Setting[], names: (setting: Setting) => readonly string[]): string {
  const rows = settings.map((setting) => {
    const nameCells = names(setting).map((name) => `\`${name}\``)
    const cells = [...nameCells, setting.meaning, setting.expected, setting.defaultText, `\`${setting.example}\``]
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  return [
    '| variable | key in the file | meaning | expected | default | example |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n')
}

function renderChainNames(): string {
  const names = [...chainRegistry, ...chainAliases].map(({ key, id }) => `${key} (${id})`)
  return names.toSorted().join(', ')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await mkdir(dirname(configurationDocsPath), { recursive: true })
  await writeFile(configurationDocsPath, await renderConfigurationDocs())
}
