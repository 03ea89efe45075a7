"""The program and the local cloud have the same published facts: neither imports the other."""

from __future__ import annotations

import pytest

from config.profiles import LOCAL_ACCESS_KEY, LOCAL_ENDPOINT, LOCAL_SECRET_KEY
from localcloud.settings import DEFAULT_EIP_RANGE, DEFAULT_PORT, LOOPBACK, ROOT_KEY_ID, ROOT_SECRET
from operations.local.emulated_cloud import EIP_RANGE

pytestmark = pytest.mark.unit


def test_the_program_has_the_key_pair_of_the_local_clouds_root_user() -> None:
    assert (LOCAL_ACCESS_KEY, LOCAL_SECRET_KEY) == (ROOT_KEY_ID, ROOT_SECRET)


def test_the_local_profile_has_the_local_clouds_own_port() -> None:
    assert f"{LOOPBACK}:{DEFAULT_PORT}" == LOCAL_ENDPOINT


def test_the_local_stack_gets_eips_of_the_local_clouds_own_range() -> None:
    assert EIP_RANGE == DEFAULT_EIP_RANGE
