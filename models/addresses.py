"""Which network addresses are public, and which others an administrator has opened."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network

# All IPv6 unicast that is routed on the internet (RFC 4291, section 2.4; IANA's address space registry).
_GLOBAL_IPV6 = IPv6Network("2000::/3")
# An IPv4 address in its last 32 bits (RFC 6052). The local-use prefix of RFC 8215 is not among them: it is private.
_NAT64 = IPv6Network("64:ff9b::/96")
# Special-purpose blocks that some of Python's releases take for global (IANA's special-purpose registries).
_SPECIAL: list[_Network] = [
    IPv4Network("100.64.0.0/10"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("198.18.0.0/15"),
    IPv6Network("2001::/23"),
    IPv6Network("3fff::/20"),
]
_HOST_AND_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::(?P<port>\d{1,5}))?", re.ASCII)


def refusal(address: str) -> str | None:
    """What kind of address this is when the public internet does not route it ("a private address"), else None.

    An IPv6 address that carries an IPv4 one (mapped, NAT64, 6to4, Teredo) is public only if that one is.
    """
    own = _address(address)
    kinds = (_kind(each) for each in (own, *_carried(own)))
    return next((kind for kind in kinds if kind), None)


def _address(text: str) -> _Address:
    address = ipaddress.ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _carried(address: _Address) -> Iterator[IPv4Address]:
    if isinstance(address, IPv4Address):
        return
    if address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo


def _kind(address: _Address) -> str | None:
    names = {
        "is_unspecified": "an unspecified address",
        "is_loopback": "a loopback address",
        "is_link_local": "a link-local address",
        "is_multicast": "a multicast address",
    }
    for test, name in names.items():
        if getattr(address, test):
            return name
    return None if _is_public(address) else "a private address"


def _is_public(address: _Address) -> bool:
    if isinstance(address, IPv6Address):
        if address in _NAT64 or address.sixtofour or address.teredo:
            return True  # decided by the address it carries
        if address not in _GLOBAL_IPV6:
            return False
    return address.is_global and not any(address in block for block in _SPECIAL if block.version == address.version)


class Allowed:
    """The hosts and networks that may be reached although they are not public.

    `entries`: host names, addresses and networks, names and addresses with an optional `:port`; ValueError for another.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        self._names: set[tuple[str, int | None]] = set()
        self._networks: list[tuple[_Network, int | None]] = []
        for entry in entries:
            self._add(entry.strip())

    def admits(self, host: str, port: int, address: str) -> bool:
        """Whether `host`, which has this address, may be reached at this port."""
        if self.names(host, port):
            return True
        found = _address(address)
        return any(
            only in (None, port) and network.version == found.version and found in network
            for network, only in self._networks
        )

    def names(self, host: str, port: int) -> bool:
        """Whether an entry names the host, whatever its address."""
        name = host.lower().rstrip(".")
        return (name, None) in self._names or (name, port) in self._names

    def _add(self, entry: str) -> None:
        if network := _network(entry):
            self._networks.append((network, None))
            return
        match = _HOST_AND_PORT.fullmatch(entry)
        if match is None or "/" in entry:
            raise ValueError(f"{entry!r} is no host name, address or network")
        host, port = match["host"].strip("[]"), int(match["port"]) if match["port"] else None
        if network := _network(host):
            self._networks.append((network, port))
        else:
            self._names.add((host.lower().rstrip("."), port))


def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
