// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

// Tokens that lie, break or attack their reader. One of them must never harm the reading of the others.

/// balanceOf reverts while the token is broken, which it is from the start; setBroken(false) heals it.
contract RevertingToken {
    event Transfer(address indexed from, address indexed to, uint256 value);

    string public constant name = "Reverting Token";
    string public constant symbol = "RVRT";
    uint8 public constant decimals = 18;
    bool public broken = true;
    mapping(address => uint256) private _balances;

    function setBroken(bool broken_) external {
        broken = broken_;
    }

    function mint(address to, uint256 value) external {
        _balances[to] += value;
        emit Transfer(address(0), to, value);
    }

    function balanceOf(address owner) external view returns (uint256) {
        require(!broken, "RevertingToken: broken");
        return _balances[owner];
    }
}

/// balanceOf never ends: it takes whatever gas it is given.
contract GasBurningToken {
    string public constant name = "Gas Burning Token";
    string public constant symbol = "BURN";
    uint8 public constant decimals = 18;

    function balanceOf(address owner) external pure returns (uint256) {
        uint256 seed = uint160(owner);
        while (true) seed = uint256(keccak256(abi.encode(seed)));
        return seed;
    }
}

/// balanceOf answers with one megabyte, which a careless caller copies into its own memory and pays for.
contract ReturnBombToken {
    string public constant name = "Return Bomb Token";
    string public constant symbol = "BOMB";
    uint8 public constant decimals = 18;

    function balanceOf(address) external pure returns (uint256) {
        assembly {
            return(0, 1048576)
        }
    }
}

/// balanceOf answers with five bytes, which is no uint256.
contract ShortReturnToken {
    string public constant name = "Short Return Token";
    string public constant symbol = "SHRT";
    uint8 public constant decimals = 18;

    function balanceOf(address) external pure returns (uint256) {
        assembly {
            mstore(0, not(0))
            return(0, 5)
        }
    }
}

/// Name and symbol are bytes32 and there is no decimals function, as in MKR of old.
contract Bytes32Token {
    event Transfer(address indexed from, address indexed to, uint256 value);

    bytes32 public constant name = "Maker";
    bytes32 public constant symbol = "MKR";
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function transfer(address to, uint256 value) external returns (bool) {
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
        emit Transfer(msg.sender, to, value);
        return true;
    }
}

/// A symbol of 10,000 characters with markup, control and bidirectional characters; a name that poses as another token.
contract HostileNameToken {
    event Transfer(address indexed from, address indexed to, uint256 value);

    string public constant name = unicode"USD Coin\u202E\u0000<script>alert('name')</script>\u2066\r\n\u001B[31m";
    uint8 public constant decimals = 255;
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function symbol() external pure returns (string memory) {
        // 10,000 characters: 40 of these and 9,960 letters.
        bytes memory head = bytes(unicode"<script>alert('symbol')</script>\u202E\u0000\u0007\u001B\u200B\u2066\r\n");
        bytes memory text = new bytes(head.length + 9960);
        for (uint256 i = 0; i < head.length; i++) text[i] = head[i];
        // Word by word, which costs little gas; what lies past the end is not returned.
        for (uint256 i = head.length; i < text.length; i += 32) {
            assembly {
                mstore(add(add(text, 32), i), 0x4141414141414141414141414141414141414141414141414141414141414141)
            }
        }
        return string(text);
    }
}

/// phantom() emits a Transfer that moves nothing.
contract PhantomToken {
    event Transfer(address indexed from, address indexed to, uint256 value);

    string public constant name = "Phantom Token";
    string public constant symbol = "PHTM";
    uint8 public constant decimals = 18;
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function phantom(address from, address to, uint256 value) external {
        emit Transfer(from, to, value);
    }
}
