// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

// Tokens whose logs are not what happened to their balances: whoever adds up Transfer events is wrong about them.

/// Wrapped native currency as on Arbitrum: wrapping emits a Transfer beside Deposit, unwrapping one beside Withdrawal.
contract BridgedWETH {
    event Transfer(address indexed from, address indexed to, uint256 value);
    event Deposit(address indexed dst, uint256 wad);
    event Withdrawal(address indexed src, uint256 wad);

    string public constant name = "Bridged Wrapped Ether";
    string public constant symbol = "WETH";
    uint8 public constant decimals = 18;
    mapping(address => uint256) public balanceOf;

    function deposit() external payable {
        balanceOf[msg.sender] += msg.value;
        emit Transfer(address(0), msg.sender, msg.value);
        emit Deposit(msg.sender, msg.value);
    }

    function withdraw(uint256 wad) external {
        balanceOf[msg.sender] -= wad;
        emit Transfer(msg.sender, address(0), wad);
        emit Withdrawal(msg.sender, wad);
        (bool sent,) = msg.sender.call{value: wad}("");
        require(sent, "BridgedWETH: native transfer failed");
    }
}

/// Holders own shares of a pool: when its total changes, every balance does, with or without an event.
contract RebasingToken {
    event Transfer(address indexed from, address indexed to, uint256 value);
    event LogRebase(uint256 indexed epoch, uint256 totalSupply);

    string public constant name = "Rebasing Token";
    string public constant symbol = "RBS";
    uint8 public constant decimals = 18;
    uint256 public totalSupply;
    uint256 public totalShares;
    mapping(address => uint256) public sharesOf;

    function mint(address to, uint256 value) external {
        uint256 shares = totalShares == 0 ? value : value * totalShares / totalSupply;
        totalSupply += value;
        totalShares += shares;
        sharesOf[to] += shares;
        emit Transfer(address(0), to, value);
    }

    function balanceOf(address owner) public view returns (uint256) {
        return totalShares == 0 ? 0 : sharesOf[owner] * totalSupply / totalShares;
    }

    function rebase(uint256 totalSupply_) external {
        totalSupply = totalSupply_;
        emit LogRebase(block.number, totalSupply_);
    }

    function rebaseSilently(uint256 totalSupply_) external {
        totalSupply = totalSupply_;
    }
}

/// One part in fifty of each transfer is lost; the event tells the whole amount.
contract FeeOnTransferToken {
    event Transfer(address indexed from, address indexed to, uint256 value);

    string public constant name = "Fee On Transfer Token";
    string public constant symbol = "FEE";
    uint8 public constant decimals = 18;
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 value) external {
        balanceOf[to] += value - value / 50;
        emit Transfer(address(0), to, value);
    }
}

/// Balances grow by one part in a thousand per second, and no transaction is needed for it.
contract AccruingToken {
    event Transfer(address indexed from, address indexed to, uint256 value);

    string public constant name = "Accruing Token";
    string public constant symbol = "ACCR";
    uint8 public constant decimals = 18;
    uint256 public immutable start = block.timestamp;
    mapping(address => uint256) public principalOf;

    function mint(address to, uint256 value) external {
        principalOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function balanceOf(address owner) external view returns (uint256) {
        return principalOf[owner] + principalOf[owner] * (block.timestamp - start) / 1000;
    }
}

/// Emits no event at all.
contract SilentToken {
    string public constant name = "Silent Token";
    string public constant symbol = "SLNT";
    uint8 public constant decimals = 18;
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
    }
}

/// Non-fungible: its Transfer has the first topic of a fungible token's, with the token's number as the fourth.
contract CollectibleToken {
    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);

    string public constant name = "Collectible";
    string public constant symbol = "NFT";
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 tokenId) external {
        balanceOf[to] += 1;
        emit Transfer(address(0), to, tokenId);
    }
}

/// The chain's own currency under another name: balanceOf is the native balance.
contract NativeAliasToken {
    event Transfer(address indexed from, address indexed to, uint256 value);

    string public constant name = "Native Alias";
    string public constant symbol = "NTV";
    uint8 public constant decimals = 18;

    function balanceOf(address owner) external view returns (uint256) {
        return owner.balance;
    }

    function transfer(address payable to) external payable returns (bool) {
        (bool sent,) = to.call{value: msg.value}("");
        require(sent, "NativeAliasToken: payment refused");
        emit Transfer(msg.sender, to, msg.value);
        return true;
    }
}

/// A name of ten megabytes, a symbol that is no UTF-8, and decimals that are no uint8. Its balances are in order.
contract AbsurdMetadataToken {
    event Transfer(address indexed from, address indexed to, uint256 value);

    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function name() external pure returns (string memory) {
        assembly {
            mstore(0, 32)
            mstore(32, 10000000)
            return(0, 10000064)
        }
    }

    function symbol() external pure returns (string memory) {
        bytes memory text = hex"c328a0a1f0288cbc41ff42";
        return string(text);
    }

    function decimals() external pure returns (uint256) {
        return 2 ** 200;
    }
}
