// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// Pays native currency on from inside a call: balances change in accounts that no transaction names and no log shows.
contract Splitter {
    function split(address payable[] calldata to, uint256[] calldata amounts) external payable {
        _pay(to, amounts);
    }

    /// Pays and takes it all back: a trace shows the transfers, the state shows only the sender's fee.
    function splitAndRevert(address payable[] calldata to, uint256[] calldata amounts) external payable {
        _pay(to, amounts);
        revert("Splitter: reverted on purpose");
    }

    function _pay(address payable[] calldata to, uint256[] calldata amounts) private {
        require(to.length == amounts.length, "Splitter: one amount per address");
        uint256 rest = msg.value;
        for (uint256 i = 0; i < to.length; i++) {
            rest -= amounts[i];
            _send(to[i], amounts[i]);
        }
        if (rest > 0) _send(payable(msg.sender), rest);
    }

    function _send(address payable to, uint256 amount) private {
        (bool sent,) = to.call{value: amount}("");
        require(sent, "Splitter: payment refused");
    }
}
