"""Which addresses are public: anybody can connect to them, so our doing it gives nothing away."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_NOT_PUBLIC = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network; 0.0.0.0 connects to this machine
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # behind a provider's translation; metadata of some clouds
        "127.0.0.0/8",  # this machine
        "168.63.129.16/32",  # a cloud's own services, on every of its machines
        "169.254.0.0/16",  # this link; metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocols; metadata of a cloud
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # sinks of the reverse DNS of private addresses
        "192.52.193.0/24",  # relays of multicast
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # sinks of the reverse DNS of private addresses
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# Outside of it are ::, ::1, IPv4 as IPv6 (mapped, compatible, translated, NAT64), and what is discarded,
# local (unique, of a link, of a site), for segment routing, or multicast.
_GLOBAL = IPv6Network("2000::/3")
_NOT_GLOBAL = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocols, of them Teredo, which holds two IPv4 addresses; benchmarks; hashes of keys
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which holds an IPv4 address
        "2620:4f:8000::/48",  # sinks of the reverse DNS of private addresses
        "3fff::/20",  # documentation
    )
)
_ISATAP = (0x00005EFE, 0x02005EFE)  # before the IPv4 address that its last 32 bits are


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is in none of the ranges that the registries of special addresses set apart, and holds none.

    An IPv4 address within an IPv6 one is never taken, whichever it is: where it leads depends on the network.

    Source: the special-purpose address registries of IANA (RFC 6890), and the clouds' own documentation.
    """
    if isinstance(address, IPv4Address):
        return not any(address in one for one in _NOT_PUBLIC)
    if address.scope_id is not None or address not in _GLOBAL:
        return False
    return (int(address) >> 32) & 0xFFFFFFFF not in _ISATAP and not any(address in one for one in _NOT_GLOBAL)
