import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

import { describe, expect, it } from 'vitest'

import { resolveConfig } from '../src/config/resolve-config.js'
import { chainSettings, processSettings } from '../src/config/settings.js'

const root = resolve(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const compose = read('deploy/compose.yaml')
const dockerfile = read('deploy/Dockerfile')
const haproxy = read('deploy/haproxy.cfg')

/** The lines below a key of the given depth, up to the next one. */
function below(text: string, key: string): readonly string[] {
  const lines = text.split('\n')
  const start = lines.findIndex((line) => line.startsWith(key))
  if (start === -1) throw new Error(`expected ${key}`)
  const depth = key.length - key.trimStart().length
  const rest = lines.slice(start + 1)
  const end = rest.findIndex((line) => line.trim() !== '' && line.length - line.trimStart().length <= depth)
  return rest.slice(0, end === -1 ? undefined : end)
}

/** What a replica of the deployment finds in its environment. */
function environment(): Readonly<Record<string, string>> {
  const ofCompose = below(compose, '  environment:').filter((line) => !/^ *(#.*)?$/.test(line))
  const ofFile = read('deploy/example.env')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('POSTGRES_PASSWORD'))
  const password = /^POSTGRES_PASSWORD=(.+)$/m.exec(read('deploy/example.env'))?.[1] ?? ''
  return Object.fromEntries([
    ...ofFile.map((line) => line.split(/=(.*)/s, 2)),
    ...ofCompose.map((line) =>
      line
        .trim()
        .replace(/\$\{POSTGRES_PASSWORD[^}]*\}/, password)
        .split(/: (.*)/s, 2),
    ),
  ])
}

describe('the deployment of several replicas', () => {
  it('sets nothing but settings that there are, with values that are accepted', () => {
    const env = environment()
    expect(Object.keys(env)).toEqual(expect.arrayContaining(['DATABASE_URL', 'HOST', 'API_KEYS', 'ETHEREUM_RPC_URL']))
    const known = [...processSettings, ...chainSettings.map(({ variable }) => ({ variable: `ETHEREUM_${variable}` }))]
    const names = new Set(known.map(({ variable }) => variable))
    expect(Object.keys(env).filter((name) => !names.has(name))).toEqual([])
    const { config, warnings } = resolveConfig({ env, cwd: root })
    expect(warnings).toEqual([])
    expect(config.databaseUrl).toBe('postgresql://tidemark:change-this-password@database:5432/tidemark')
    expect(config.maxConnectionsPerAddress).toBe(config.maxConnections)
  })

  it('builds out of files that there are, and runs what the package runs', () => {
    const copied = dockerfile
      .split('\n')
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
      .flatMap((line) => line.split(' ').slice(1, -1))
    expect(copied).toContain('src')
    for (const path of copied) expect(existsSync(join(root, path)), path).toBe(true)
    const { bin, engines } = JSON.parse(read('package.json')) as {
      readonly bin: { readonly tidemark: string }
      readonly engines: { readonly node: string }
    }
    expect(dockerfile).toContain(`ENTRYPOINT ["node", "${bin.tidemark}"]`)
    expect(engines.node).toMatch(/^>=20/)
    expect(dockerfile.match(/^FROM node:20/gm)).toHaveLength(3)
    expect(dockerfile).toMatch(/^USER node$/m)
    expect(compose).toContain('dockerfile: deploy/Dockerfile')
  })

  it('has the driver that MONGODB_URL needs, in the version that was tested', () => {
    const { devDependencies } = JSON.parse(read('package.json')) as { readonly devDependencies: Record<string, string> }
    expect(devDependencies['mongodb']).toMatch(/^\d+\.\d+\.\d+$/)
    expect(dockerfile).toContain(`"mongodb@$(node -p "require('./package.json').devDependencies.mongodb")"`)
    // Above the application's directory, where Node looks next.
    expect(dockerfile).toMatch(/^COPY --from=packages \/beside\/node_modules \/node_modules$/m)
  })

  it('balances over all replicas, at the port they listen on, by whether they are ready', () => {
    const replicas = [...compose.matchAll(/^ {2}(tidemark-\d+):$/gm)].map(([, name]) => name)
    expect(replicas.length).toBeGreaterThan(1)
    const servers = [...haproxy.matchAll(/^ {2}server (\S+) (\S+)$/gm)].map(([, name, address]) => [name, address])
    expect(servers).toEqual(replicas.map((name) => [name, `${name}:${environment()['PORT']}`]))
    expect(haproxy).toContain('uri /readyz')
    // Without this a client that polls would be sent to a replica that does not know it.
    expect(haproxy).toMatch(/^ {2}balance source$/m)
    const published = /127\.0\.0\.1:\d+:(\d+)/.exec(compose)?.[1]
    expect(haproxy).toMatch(new RegExp(`^ {2}bind :${published}$`, 'm'))
    expect(compose).toContain('./haproxy.cfg:')
  })
  it('gives the balancer a file for each end of its connections, and metrics to nobody outside', () => {
    const connections = Number(/maxconn (\d+)/.exec(haproxy)?.[1])
    const files = Number(/nofile: (\d+)/.exec(below(compose, '  balancer:').join('\n'))?.[1])
    expect(files).toBeGreaterThan(2 * connections)
    // The service decodes a path before it looks: /%6detrics is the same to it.
    expect(haproxy).toContain('http-request deny if { path,url_dec -m beg /metrics }')
  })

  it('has a password that can stand in a URL', () => {
    const password = /^POSTGRES_PASSWORD=(.+)$/m.exec(read('deploy/example.env'))?.[1] ?? ''
    expect(password).toMatch(/^[A-Za-z0-9-]+$/)
    expect(read('deploy/example.env')).toMatch(/part of a URL/)
  })
})
