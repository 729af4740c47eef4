// The compiler copies no SQL: the migrations go beside the code that reads them.
import { cp } from 'node:fs/promises'

const path = 'storage/postgres/sql'
await cp(new URL(`../src/${path}`, import.meta.url), new URL(`../dist/${path}`, import.meta.url), { recursive: true })
