"""Which addresses may be connected to: a page must not make this machine talk to its own network.

A name is resolved once, each address is checked, and exactly the checked address is connected to, so that a name server
that answers differently the second time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_network

from tercet.ingestion.web.failures import AddressError

Resolver = Callable[[str, int], Sequence[str]]
"""Host name and port to addresses; raises OSError for a name that nobody knows."""

_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"),
    )
)
_INTERNAL = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
# Beyond what the ipaddress module of every supported Python calls private or reserved.
_SPECIAL = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this network
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation, as are the next two
            "198.51.100.0/24",
            "203.0.113.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "198.18.0.0/15",  # benchmarks
            "240.0.0.0/4",
            "::/96",  # IPv4-compatible, long deprecated
            "64:ff9b:1::/48",  # NAT64 of a local network
            "100::/64",  # discarded
            "2001::/23",  # protocol assignments, Teredo among them
            "2001:db8::/32",  # documentation
            "3fff::/20",  # documentation
            "5f00::/16",  # segment routing
            "fec0::/10",  # site-local, long deprecated
        ),
    )
)
_NAT64 = ip_network("64:ff9b::/96")
_TRANSLATED = ip_network("::ffff:0:0:0/96")
_LOOPBACK, _PRIVATE = "a loopback address", "a private address"
_KINDS: tuple[tuple[Callable[[IPv4Address | IPv6Address], bool], str], ...] = (
    (lambda ip: ip in _METADATA, "the metadata service of a cloud"),
    (lambda ip: ip.is_unspecified, "an unspecified address"),
    (lambda ip: ip.is_loopback, _LOOPBACK),
    (lambda ip: ip.is_link_local, "a link-local address"),
    (lambda ip: ip.is_multicast, "a multicast address"),
    (lambda ip: any(ip in network for network in _INTERNAL), _PRIVATE),
    (lambda ip: ip.is_reserved or ip.is_private or any(ip in network for network in _SPECIAL), "a reserved address"),
)


def resolve_name(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a name, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def checked_addresses(host: str, port: int, *, resolve: Resolver, allow_private: bool) -> list[str]:
    """The addresses of a host that may be connected to.

    Raises:
        AddressError: The name is unknown, or all its addresses are refused.
    """
    try:
        addresses = [str(ipaddress.ip_address(host))]
    except ValueError:
        try:
            addresses = list(resolve(host, port))
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise AddressError(f"has a host name that cannot be resolved: {reason}") from None
    refusals = [refusal(address, allow_private=allow_private) for address in addresses]
    allowed = [address for address, reason in zip(addresses, refusals, strict=True) if not reason]
    if not addresses:
        raise AddressError("has a host name without an address")
    if not allowed:
        helps = not refusal(addresses[0], allow_private=True)
        raise AddressError(
            f"leads to {refusals[0]}",
            remedy="If it is in your own network, allow it: allow_private=True, or --allow-private."
            if helps
            else "Use another site.",
        )
    return allowed


def refusal(address: str, *, allow_private: bool = False) -> str:
    """Say why an address must not be connected to, or nothing if it may.

    With ``allow_private``, loopback and the address ranges of organisations are allowed. Metadata services of clouds,
    link-local, multicast and reserved addresses never are, as no documentation is published there.

    Example:
        >>> refusal("::ffff:169.254.169.254")
        '169.254.169.254, the metadata service of a cloud'
        >>> refusal("10.0.0.7"), refusal("10.0.0.7", allow_private=True)
        ('10.0.0.7, a private address', '')
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "something that is no address"
    if isinstance(ip, IPv6Address):
        ip = _embedded(ip) or ip
    kind = _kind(ip)
    if not kind or (allow_private and kind in (_LOOPBACK, _PRIVATE)):
        return ""
    return f"{ip}, {kind}"


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that traffic to this address ends at."""
    if ip in _NAT64 or ip in _TRANSLATED:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _kind(ip: IPv4Address | IPv6Address) -> str:
    return next((kind for test, kind in _KINDS if test(ip)), "")
