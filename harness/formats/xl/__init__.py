"""What `xl` and the xenstore tools print, parsed; pure.

The tools mix warnings of their libraries into what they print: a line that is no row of the table
is passed over, and only a text without the head of the table is a `FormatError`. The formats are
those of Xen's tools/xl/*.c and tools/xenstore/xenstore_client.c, 4.14 to 4.20.
"""

from harness.formats.xl.devices import (
    BlockDevice,
    NetworkDevice,
    parse_block_list,
    parse_network_list,
    parse_pci_assignable,
)
from harness.formats.xl.domains import Domain, Vcpu, parse_list, parse_vcpu_list
from harness.formats.xl.info import XenInfo, parse_info
from harness.formats.xl.store import Node, escaped, parse_ls, unescaped

__all__ = [
    "BlockDevice",
    "Domain",
    "NetworkDevice",
    "Node",
    "Vcpu",
    "XenInfo",
    "escaped",
    "parse_block_list",
    "parse_info",
    "parse_list",
    "parse_ls",
    "parse_network_list",
    "parse_pci_assignable",
    "parse_vcpu_list",
    "unescaped",
]
