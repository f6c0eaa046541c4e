import pytest

from models.addresses import Allowed, refusal

PRIVATE = [
    "127.0.0.1",
    "127.255.0.3",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "239.1.1.1",
    "255.255.255.255",
    "240.0.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "2001::1",
    "2001:0:7f00:1:0:0:f5ff:fffe",
    "2001:db8::1",
    "3fff::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
    "100::1",
    "4000::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"]
PUBLIC += ["64:ff9b::808:808", "2002:808:808::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_the_internet_does_not_route_is_refused(address: str) -> None:
    assert refusal(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_not_refused(address: str) -> None:
    assert refusal(address) is None


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "a loopback address"),
        ("10.0.0.1", "a private address"),
        ("169.254.169.254", "a link-local address"),
        ("::", "an unspecified address"),
        ("ff02::1", "a multicast address"),
        ("64:ff9b::7f00:1", "a loopback address"),
    ],
)
def test_the_refusal_names_the_kind_of_address(address: str, kind: str) -> None:
    assert refusal(address) == kind


@pytest.mark.parametrize(
    ("entry", "host", "port", "address"),
    [
        ("localhost", "localhost", 80, "127.0.0.1"),
        ("LOCALHOST", "localhost.", 80, "::1"),
        ("localhost:8000", "localhost", 8000, "127.0.0.1"),
        ("127.0.0.1", "anything", 80, "127.0.0.1"),
        ("127.0.0.1", "anything", 80, "::ffff:127.0.0.1"),
        ("127.0.0.1:81", "anything", 81, "127.0.0.1"),
        ("10.0.0.0/8", "db", 80, "10.200.3.4"),
        ("::1", "six", 80, "::1"),
        ("[::1]:81", "six", 81, "::1"),
        ("fd00::/8", "six", 80, "fd00::5"),
    ],
)
def test_what_an_administrator_lists_may_be_reached(entry: str, host: str, port: int, address: str) -> None:
    assert Allowed([entry]).admits(host, port, address)


@pytest.mark.parametrize(
    ("entry", "host", "port", "address"),
    [
        ("localhost", "localhost.evil.example", 80, "127.0.0.1"),
        ("localhost", "evil.example", 80, "127.0.0.1"),
        ("localhost:8000", "localhost", 8001, "127.0.0.1"),
        ("127.0.0.1:81", "anything", 82, "127.0.0.1"),
        ("10.0.0.0/8", "db", 80, "11.0.0.1"),
        ("127.0.0.0/8", "six", 80, "64:ff9b::7f00:1"),
        ("0.0.0.0/0", "six", 80, "::1"),
    ],
)
def test_nothing_else_may(entry: str, host: str, port: int, address: str) -> None:
    assert not Allowed([entry]).admits(host, port, address)


@pytest.mark.parametrize("entry", ["", "10.0.0.0/33", "http://localhost", "a b:c", "[::1", "host:port"])
def test_an_entry_that_is_no_host_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="no host name, address or network"):
        Allowed([entry])
