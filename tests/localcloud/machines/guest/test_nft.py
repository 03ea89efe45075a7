"""The simulated nft refuses what the real one, or the kernel, refuses."""

from __future__ import annotations

import pytest

from localcloud.machines.guest.commands.nft import NftError, applied

pytestmark = pytest.mark.unit

DEVICES = frozenset({"eth0"})
CHAIN = "table netdev t {{ chain c {{ type filter hook {}; policy accept; {} }} }}"


def test_a_table_is_made_and_deleted() -> None:
    tables = applied({}, "table inet t\ntable inet t { }\n# a comment\n", DEVICES)
    assert tables == {"inet t": {}}
    assert applied(tables, "delete table inet t", DEVICES) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("delete table inet t", "No such file or directory"),
        ("table house t", "syntax error"),
        ("chain c", "syntax error"),
        ("table inet t {", "unexpected end of file"),
        ("}", "unexpected '}'"),
        (CHAIN.format("egress device eth9 priority 0", "drop"), "No such file or directory"),
        (CHAIN.format("egress priority 0", "drop"), "Invalid argument"),
        (CHAIN.format("forward priority 0", "drop"), "unknown chain hook"),
        (CHAIN.format("egress device eth0 priority 0", "reject"), "Operation not supported"),
        (CHAIN.format("egress device eth0 priority 0", "ip daddr house drop"), "resolve hostname"),
        (CHAIN.format("egress device eth0 priority 0", "ip daddr fd00::1 drop"), "resolve"),
        (CHAIN.format("egress device eth0 priority 0", "tcp dport 80 drop"), "syntax error"),
    ],
)
def test_what_the_kernel_refuses_is_refused(text: str, reason: str) -> None:
    with pytest.raises(NftError, match=reason):
        applied({}, text, DEVICES)


def test_a_file_is_applied_as_a_whole_or_not_at_all() -> None:
    before = {"inet other": {"c": ["accept"]}}
    with pytest.raises(NftError):
        applied(before, "flush ruleset\ndelete table inet t", DEVICES)
    assert before == {"inet other": {"c": ["accept"]}}


def test_a_flush_takes_the_tables_of_everybody() -> None:
    assert applied({"inet t": {}, "ip nat": {}}, "flush ruleset", DEVICES) == {}
