const NEW_LINE = 10

/** Rows of a copy in text format: a line break within a value is written as two other characters. */
export function countLines(block: Buffer): bigint {
  let lines = 0n
  for (let at = block.indexOf(NEW_LINE); at !== -1; at = block.indexOf(NEW_LINE, at + 1)) lines += 1n
  return lines
}
