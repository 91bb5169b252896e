"""Where a request may go when somebody else chose its address: to the public internet and nowhere else.

A list of what is allowed, not of what is forbidden: an address is taken out of the forms that hide another
(mapped, 6to4, NAT64, Teredo) and must then be global unicast. The name is resolved once, every address that
it gives must pass, and the connection goes to the address that was checked.
"""

import ipaddress
import socket
from collections.abc import Callable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], list[str]]

GLOBAL_UNICAST_6 = ipaddress.ip_network("2000::/3")
NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
# Global by the register, yet not somebody's server: relays, benchmarks, documentation, multicast, AS112,
# ORCHID.
NOT_SERVERS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.88.99.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.175.48.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "198.18.0.0/15",
        "100.64.0.0/10",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "2620:4f:8000::/48",
        "5f00::/16",
    )
)


class NotPublic(Exception):
    """The address belongs to this machine, this network, or nobody."""


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet, whatever form it comes in."""
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return _is_public(address)


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        if (inner := _hidden(address)) is not None:
            return _is_public(inner)
        if address not in GLOBAL_UNICAST_6:
            return False
    is_server = not any(address in network for network in NOT_SERVERS if network.version == address.version)
    return is_server and address.is_global and not address.is_multicast


def _hidden(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a mapped, compatible, 6to4, NAT64 or Teredo address stands for."""
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address.teredo:
        return address.teredo[1]
    number = int(address)
    if any(address in network for network in NAT64) or number >> 32 == 0:
        return ipaddress.IPv4Address(number & 0xFFFFFFFF)
    return None


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, in the system's order. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def pinned(host: str, port: int, *, resolver: Resolver = resolve) -> str:
    """The one address to connect to. Raises NotPublic if any of the name's addresses is not public, or
    OSError.
    """
    found = resolver(host, port)
    if not found or not all(is_public(address) for address in found):
        raise NotPublic(f"{host} is not an address of the public internet.")
    return found[0]
