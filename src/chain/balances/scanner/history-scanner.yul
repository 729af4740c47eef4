// Reads what a search of the past needs in one eth_call: balances, as the scanner beside this file does, and also what
// tells of an account's nonce, the size of its code, and the hashes of the blocks before.
//
// Input:  gas limit of one call (4 bytes), then groups: subject (20), number of operands (2), operands (20 each).
//         Subject 0: the chain's own currency of an account. 1: the answer of code that a state override has placed at an
//         account; it creates a contract and answers its address, which follows from the account's nonce. 2: the size of an
//         account's code. 3: the hash of the block of that number. Any other: balanceOf of that token.
// Output: block number (32), timestamp (32), then for each operand in order: status (1), value (32).
//         Status 1: the value. 0: the call failed or answered less than 32 bytes. 3: no code at the token's address.
//
// When the gas runs low the scanner returns what it has; the missing tail is asked for again.
object "HistoryScanner" {
  code {
    datacopy(0, dataoffset("runtime"), datasize("runtime"))
    return(0, datasize("runtime"))
  }
  object "runtime" {
    code {
      // On Arbitrum the opcode gives the number of the parent chain's block; its own is known to the ArbSys contract.
      function blockNumber() -> n {
        n := number()
        mstore(0, shl(224, 0xa3b1b31d)) // arbBlockNumber()
        if staticcall(50000, 0x64, 0, 4, 0x60, 32) {
          if eq(returndatasize(), 32) { n := mload(0x60) }
        }
      }

      let gasPerItem := shr(224, calldataload(0))
      // A call passes on at most 63/64 of the gas left; the rest pays for memory and the return.
      let gasNeeded := add(div(mul(gasPerItem, 64), 63), 60000)

      let output := 0x80
      mstore(output, blockNumber())
      mstore(add(output, 32), timestamp())
      let write := add(output, 64)
      let read := 4

      mstore(0, shl(224, 0x70a08231)) // balanceOf(address), its argument follows at 4
      for { } lt(read, calldatasize()) { } {
        let subject := shr(96, calldataload(read))
        let end := and(shr(80, calldataload(read)), 0xffff)
        read := add(read, 22)
        end := add(read, mul(end, 20))
        let hasCode := iszero(iszero(extcodesize(subject)))

        for { } lt(read, end) { read := add(read, 20) } {
          if lt(gas(), gasNeeded) { return(output, sub(write, output)) }
          let operand := shr(96, calldataload(read))
          let status := 1
          let value := 0
          switch subject
          case 0 { value := balance(operand) }
          case 1 {
            let answered := call(gasPerItem, operand, 0, 0, 0, 0x60, 32)
            status := and(answered, gt(returndatasize(), 31))
            if status { value := mload(0x60) }
            // Address 0: the contract could not be created.
            if iszero(value) { status := 0 }
          }
          case 2 { value := extcodesize(operand) }
          case 3 { value := blockhash(operand) }
          default {
            switch hasCode
            case 0 { status := 3 }
            default {
              mstore(4, operand)
              // Only 32 bytes are copied, however many the token returns. The size of the answer is asked for in a
              // statement of its own, after the call.
              let answered := staticcall(gasPerItem, subject, 0, 36, 0x60, 32)
              status := and(answered, gt(returndatasize(), 31))
              if status { value := mload(0x60) }
            }
          }
          mstore8(write, status)
          mstore(add(write, 1), value)
          write := add(write, 33)
        }
      }
      return(output, sub(write, output))
    }
  }
}
