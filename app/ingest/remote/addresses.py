"""Which network addresses may be connected to on behalf of a URL: public ones only.

A job runs inside the network that it serves. A URL, or a redirect of an allowed host, must not make it read what only
that network can reach: cloud metadata at 169.254.169.254, admin pages on the loopback interface, neighbours.
"""

import ipaddress
import socket
from collections.abc import Callable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]

# NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056): the IPv4 address within is where packets end up.
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
# Public to Python, and deprecated (RFC 3879, RFC 7526): site-local addresses, and the nearest 6to4 relay, anybody's.
_NEAR = (ipaddress.IPv6Network("fec0::/10"), ipaddress.IPv4Network("192.88.99.0/24"))
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # the deprecated IPv4-compatible form


def is_public(text: str) -> bool:
    """Whether an address, in the form that the system's resolver gives, is of the public internet."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # with a zone (fe80::1%eth0), or no address at all
        return False
    return all(map(_is_global, (address, *_within(address))))


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, in the resolver's order. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def _is_global(address: Address) -> bool:
    special = address.is_multicast or address.is_unspecified or address.is_loopback
    return address.is_global and not special and not any(address in network for network in _NEAR)


def _within(address: Address) -> list[Address]:
    if not isinstance(address, ipaddress.IPv6Address):
        return []
    inner: list[Address] = []
    if address.ipv4_mapped:
        inner.append(address.ipv4_mapped)
    if address.sixtofour:
        inner.append(address.sixtofour)
    if address.teredo:
        inner.extend(address.teredo)
    if any(address in network for network in (*_NAT64, _COMPATIBLE)):
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return inner
