"""Every class of address that is not a public server is refused, in each of its disguises."""

import pytest

from apps.integrations import addresses

BAD = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.254",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2002:a9fe:a9fe::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "4000::1",
    "localhost",
    "example.org",
    "127.1",
    "2130706433",
    "0x7f000001",
    "017700000001",
]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_public_server_is_refused(text):
    assert not addresses.is_public(text)


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_servers_are_allowed(text):
    assert addresses.is_public(text)


def test_one_bad_address_among_good_ones_condemns_the_name():
    with pytest.raises(addresses.NotPublic):
        addresses.pinned("rebind.example", 443, resolver=lambda *_: ["8.8.8.8", "127.0.0.1"])


def test_the_address_that_was_checked_is_the_one_that_is_used():
    assert addresses.pinned("a.example", 443, resolver=lambda *_: ["8.8.8.8", "1.1.1.1"]) == "8.8.8.8"
