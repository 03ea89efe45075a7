"""The hostile mode of CLB."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from localcloud.requests import hostility
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit
StartCloud = Callable[..., CloudThread]


def entries(*blocks: str) -> str:
    return json.dumps([{"entry": block} for block in blocks])


def test_an_access_control_list_refuses_a_change_while_it_works_on_another(
    start_cloud: StartCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostility, "ENTRY_SECONDS", 600.0)
    slb = Api(start_cloud(hostile=1, delay_scale=1).config()).slb
    acl = slb("CreateAccessControlList", AclName="office")["AclId"]
    slb("AddAccessControlListEntry", AclId=acl, AclEntrys=entries("10.1.0.0/16"))
    with refused("AclEntryProcessing"):
        slb("AddAccessControlListEntry", AclId=acl, AclEntrys=entries("10.2.0.0/16"))
    with refused("AclEntryProcessing"):
        slb("RemoveAccessControlListEntry", AclId=acl, AclEntrys=entries("10.1.0.0/16"))
    other = slb("CreateAccessControlList", AclName="home")["AclId"]
    slb("AddAccessControlListEntry", AclId=other, AclEntrys=entries("10.1.0.0/16"))


def test_a_friendly_access_control_list_takes_one_change_after_another(
    start_cloud: StartCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostility, "ENTRY_SECONDS", 600.0)
    slb = Api(start_cloud(delay_scale=1).config()).slb
    acl = slb("CreateAccessControlList", AclName="office")["AclId"]
    slb("AddAccessControlListEntry", AclId=acl, AclEntrys=entries("10.1.0.0/16"))
    slb("RemoveAccessControlListEntry", AclId=acl, AclEntrys=entries("10.1.0.0/16"))
    assert slb("DescribeAccessControlListAttribute", AclId=acl)["TotalAclEntry"] == 0
