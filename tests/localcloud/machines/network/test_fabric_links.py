"""Links of the fabric that the kernel may delete by itself."""

from __future__ import annotations

import errno

import pytest
from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]  # ships no types

from localcloud.machines.network.fabric import delete_link

pytestmark = pytest.mark.unit


class Kernel:
    """Refuses to delete a link, with one error."""

    def __init__(self, code: int) -> None:
        self._code = code

    def link(self, command: str, *, index: int) -> None:
        raise NetlinkError(self._code, f"{command} {index}")


def test_a_link_that_has_gone_with_its_machine_is_deleted() -> None:
    delete_link(Kernel(errno.ENODEV), 7)


def test_a_link_that_the_kernel_keeps_is_an_error() -> None:
    with pytest.raises(NetlinkError):
        delete_link(Kernel(errno.EBUSY), 7)
