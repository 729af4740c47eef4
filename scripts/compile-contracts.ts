import { readFile, readdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { format } from 'oxfmt'
import solc from 'solc'

interface AbiParameter {
  readonly name: string
  readonly type: string
  readonly indexed?: boolean
  readonly components?: readonly AbiParameter[]
}

interface AbiEntry {
  readonly inputs?: readonly AbiParameter[]
  readonly outputs?: readonly AbiParameter[]
}

interface CompiledContract {
  readonly abi?: readonly AbiEntry[]
  readonly evm: {
    readonly bytecode: { readonly object: string }
    readonly deployedBytecode: { readonly object: string }
  }
}

interface SolcOutput {
  readonly contracts?: Readonly<Record<string, Readonly<Record<string, CompiledContract>>>>
  readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[]
}

/** A file that the compiler's output decides: its path below the repository root and its whole text. */
export interface GeneratedFile {
  readonly path: string
  readonly text: string
}

const contractsFolder = 'src/testing/contracts'
const scannerFolder = 'src/chain/balances/scanner'
/** The scanner runs on chains of any age, so it does without the newer opcodes. */
const evmVersions = { Solidity: 'cancun', Yul: 'london' }
const settings = {
  optimizer: { enabled: true, runs: 200 },
  // Without the metadata trailer, a changed comment does not change the bytecode.
  metadata: { appendCBOR: false },
}

/** Compiles every contract and every Yul object and gives the generated files, formatted as the repository is. */
export async function compileContracts(root: string): Promise<GeneratedFile[]> {
  const files = [await artifactsFile(root), ...(await yulFiles(root))]
  const options = JSON.parse(await readFile(join(root, '.oxfmtrc.json'), 'utf8')) as Parameters<typeof format>[2]
  return Promise.all(
    files.map(async ({ path, text }) => {
      const formatted = await format(path, text, options)
      if (formatted.errors.length > 0) throw new Error(`${path}: expected text that can be formatted`)
      return { path, text: formatted.code }
    }),
  )
}

async function artifactsFile(root: string): Promise<GeneratedFile> {
  const sources = await readSources(join(root, contractsFolder), '.sol')
  const output = compile('Solidity', sources)
  const contracts = Object.values(output.contracts ?? {}).flatMap((byName) => Object.entries(byName))
  const constants = contracts
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, contract]) => {
      const abi = JSON.stringify((contract.abi ?? []).map(withoutInternalTypes))
      const bytecode = contract.evm.bytecode.object
      return `export const ${constantName(name)} = { abi: ${abi}, bytecode: '0x${bytecode}' as \`0x\${string}\` } as const\n`
    })
  const header = `// Compiled from the Solidity files beside this one. To make it again: npm run contracts\n\n`
  return { path: `${contractsFolder}/artifacts.ts`, text: header + constants.join('\n') }
}

/** One `<name>-bytecode.ts` for each `<name>.yul`, with the runtime code of its object. */
async function yulFiles(root: string): Promise<GeneratedFile[]> {
  const sources = await readSources(join(root, scannerFolder), '.yul')
  return Object.entries(sources).map(([fileName, source]) => {
    // The compiler takes one Yul file at a time.
    const output = compile('Yul', { [fileName]: source })
    const [contract] = Object.values(output.contracts?.[fileName] ?? {})
    const runtime = contract?.evm.deployedBytecode.object
    if (runtime === undefined || runtime === '') {
      throw new Error(`${fileName}: expected an object with one sub-object "runtime", got no runtime code`)
    }
    const name = fileName.slice(0, -'.yul'.length)
    const header = `// Runtime code of ${fileName} beside this file. To make it again: npm run contracts\n\n`
    const constant = `export const ${constantName(name)}Bytecode: \`0x\${string}\` =\n  '0x${runtime}'\n`
    return { path: `${scannerFolder}/${name}-bytecode.ts`, text: header + constant }
  })
}

function compile(language: 'Solidity' | 'Yul', sources: Readonly<Record<string, string>>): SolcOutput {
  const input = {
    language,
    sources: Object.fromEntries(Object.entries(sources).map(([name, content]) => [name, { content }])),
    settings: {
      ...settings,
      evmVersion: evmVersions[language],
      outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
    },
  }
  const run: (input: string) => string = solc.compile
  const output = JSON.parse(run(JSON.stringify(input))) as SolcOutput
  const failures = (output.errors ?? []).filter((error) => error.severity === 'error')
  if (failures.length > 0) throw new Error(failures.map((failure) => failure.formattedMessage).join('\n'))
  return output
}

async function readSources(folder: string, extension: string): Promise<Record<string, string>> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const wanted = names.filter((name) => name.endsWith(extension)).toSorted()
  const texts = await Promise.all(wanted.map((name) => readFile(join(folder, name), 'utf8')))
  return Object.fromEntries(wanted.map((name, index) => [name, texts[index] ?? '']))
}

/** `internalType` serves debuggers only and would double the size of the file. */
function withoutInternalTypes(entry: AbiEntry): AbiEntry {
  const strip = ({ name, type, indexed, components }: AbiParameter): AbiParameter => ({
    ...(indexed === undefined ? {} : { indexed }),
    name,
    type,
    ...(components === undefined ? {} : { components: components.map(strip) }),
  })
  return {
    ...entry,
    ...(entry.inputs === undefined ? {} : { inputs: entry.inputs.map(strip) }),
    ...(entry.outputs === undefined ? {} : { outputs: entry.outputs.map(strip) }),
  }
}

/** `TestToken` becomes `testToken`, `WETH9` becomes `weth9`, `balance-scanner` becomes `balanceScanner`. */
function constantName(name: string): string {
  return name
    .replace(/^[A-Z]+(?![a-z])|^[A-Z]/, (start) => start.toLowerCase())
    .replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

async function main(): Promise<void> {
  const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
  const check = process.argv.includes('--check')
  for (const { path, text } of await compileContracts(root)) {
    const committed = await readFile(join(root, path), 'utf8').catch(() => null)
    if (committed === text) continue
    if (check) {
      process.stderr.write(`${path} is not what its sources compile to; run: npm run contracts\n`)
      process.exitCode = 1
    } else {
      await writeFile(join(root, path), text)
      process.stderr.write(`wrote ${path}\n`)
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
