from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.ingestion.web.addresses import checked_addresses, refusal
from tercet.ingestion.web.failures import AddressError

PUBLIC = ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1", "::ffff:1.1.1.1"]
PRIVATE = ["127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd12::1"]
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.1.1",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "fd00:ec2::254",
    "192.0.2.1",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "ff02::1",
    "fec0::1",
    "2001:db8::1",
    "2001::1",
    "64:ff9b:1::1",
    "::127.0.0.1",
    "not an address",
]


def _wrapped(address: str) -> list[str]:
    """The IPv6 addresses whose traffic ends at an IPv4 address."""
    number = int(ipaddress.IPv4Address(address))
    return [
        str(ipaddress.IPv6Address((0xFFFF << 32) | number)),
        str(ipaddress.IPv6Address((0x0064FF9B << 96) | number)),
        str(ipaddress.IPv6Address((0xFFFF << 48) | number)),
        str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1)),
    ]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert refusal(address) == ""


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused_unless_allowed(address: str) -> None:
    assert refusal(address)
    assert refusal(address, allow_private=True) == ""


@pytest.mark.parametrize("address", NEVER)
def test_special_addresses_are_refused_even_where_private_ones_are_allowed(address: str) -> None:
    assert refusal(address)
    assert refusal(address, allow_private=True)


@pytest.mark.parametrize("form", range(4), ids=["mapped", "nat64", "translated", "6to4"])
def test_ipv4_in_ipv6_clothes_is_judged_as_ipv4(form: int) -> None:
    assert refusal(_wrapped("8.8.8.8")[form]) == ""
    for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0"):
        assert refusal(_wrapped(address)[form])
    assert refusal(_wrapped("169.254.169.254")[form], allow_private=True)


@given(st.ip_addresses())
def test_nothing_that_the_standard_library_calls_not_global_is_allowed(address) -> None:
    embedded = isinstance(address, ipaddress.IPv6Address) and (
        address.sixtofour or address in ipaddress.ip_network("64:ff9b::/96") or address.ipv4_mapped
    )
    if not address.is_global and not embedded:
        assert refusal(str(address))


def test_only_the_allowed_ones_of_several_addresses_are_used() -> None:
    found = checked_addresses(
        "docs.example.com", 443, resolve=lambda *_: ["10.0.0.1", "1.1.1.1", "::1"], allow_private=False
    )

    assert found == ["1.1.1.1"]


def test_a_name_without_an_allowed_address_is_refused() -> None:
    with pytest.raises(AddressError, match=r"leads to 169\.254\.169\.254, the metadata service"):
        checked_addresses("meta.example.com", 80, resolve=lambda *_: ["169.254.169.254"], allow_private=True)
    with pytest.raises(AddressError, match="without an address"):
        checked_addresses("none.example.com", 80, resolve=lambda *_: [], allow_private=False)


def test_an_unknown_name_says_so() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(AddressError, match="cannot be resolved: Name or service not known"):
        checked_addresses("nowhere.example.com", 443, resolve=unknown, allow_private=False)


def test_addresses_in_urls_are_not_looked_up() -> None:
    with pytest.raises(AddressError, match="loopback"):
        checked_addresses("127.0.0.1", 80, resolve=lambda *_: ["1.1.1.1"], allow_private=False)
