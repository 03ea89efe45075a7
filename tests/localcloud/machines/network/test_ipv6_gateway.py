"""What passes the IPv6 gateway, as rules for the kernel."""

from __future__ import annotations

import pytest

from localcloud.machines.network.ipv6_gateway import Ipv6Gateway, table

pytestmark = pytest.mark.unit


def test_only_addresses_with_bandwidth_pass_in_their_order() -> None:
    assert "elements = { 2001:db8::1, 2001:db8::2 };" in table(["2001:db8::2", "2001:db8::1"])


def test_without_bandwidth_the_set_is_empty() -> None:
    script = table([])
    assert "elements" not in script
    assert 'oifname "internet" ip6 saddr != @public drop' in script


def test_what_is_not_an_address_never_becomes_a_rule() -> None:
    with pytest.raises(ValueError, match="2001:db8::1 }"):
        table(["2001:db8::1 }"])


def test_the_kernel_is_asked_only_when_the_addresses_change() -> None:
    scripts: list[str] = []

    def apply(script: str) -> str:
        scripts.append(script)
        return ""

    gateway = Ipv6Gateway(apply)
    gateway.follow(["2001:db8::1"])
    gateway.follow(["2001:db8::1"])
    assert len(scripts) == 2
