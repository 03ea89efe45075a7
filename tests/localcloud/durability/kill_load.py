"""Writers that record each acknowledged call in a ledger, which is compared with a killed cloud.

A writer's last call may have been under way when the server died: its effect is complete or absent,
and when it carried a ClientToken, the same call again makes no second one.
"""

from __future__ import annotations

import http.client
import json
import random
import ssl
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localcloud.products.catalogue import PRODUCTS
from localcloud.settings import ROOT_KEY_ID, ROOT_SECRET
from tests.localcloud.sdk_api import signed_v1

_VERSION = {product.name: version for version, product in PRODUCTS.items()}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_RULES = 5
ZONE = "cn-hangzhou-h"


class Connection:
    """A kept connection; any failure to get an answer raises OSError or HTTPException."""

    def __init__(self, port: int, ca: Path) -> None:
        context = ssl.create_default_context(cafile=str(ca))
        self._http = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)

    def call(self, product: str, action: str, parameters: dict[str, str]) -> dict[str, Any]:
        """Send a call; an answer that arrives must be a success."""
        fields = {
            "RegionId": "cn-hangzhou",
            **parameters,
            "Action": action,
            "Version": _VERSION[product],
        }
        body = signed_v1(fields, key=ROOT_KEY_ID, secret=ROOT_SECRET)
        self._http.request("POST", "/", body, _FORM)
        response = self._http.getresponse()
        text = response.read()
        assert response.status == 200, text
        document: dict[str, Any] = json.loads(text)
        return document

    def pages(self, product: str, action: str, *path: str) -> Iterator[dict[str, Any]]:
        """Everything that a Describe action lists, page by page."""
        number = 1
        while True:
            place = {"PageNumber": str(number), "PageSize": "50"}
            rows: Any = self.call(product, action, place)
            for step in path:
                rows = rows[step]
            yield from rows
            if len(rows) < 50:
                return
            number += 1


@dataclass(frozen=True)
class Place:
    """Where the writers write."""

    vpc: str
    vswitch: str
    group: str
    image: str

    @classmethod
    def make(cls, link: Connection) -> Place:
        vpc = str(link.call("Vpc", "CreateVpc", {"CidrBlock": "10.0.0.0/8"})["VpcId"])
        where = {"VpcId": vpc, "CidrBlock": "10.0.0.0/16", "ZoneId": ZONE}
        vswitch = str(link.call("Vpc", "CreateVSwitch", where)["VSwitchId"])
        group = str(link.call("Ecs", "CreateSecurityGroup", {"VpcId": vpc})["SecurityGroupId"])
        image = str(link.call("Ecs", "DescribeImages", {})["Images"]["Image"][0]["ImageId"])
        return cls(vpc, vswitch, group, image)


Shape = tuple[str, ...]
"""What can be seen of a resource: an ENI's addresses, a group's rules, an instance's parts."""


@dataclass
class Call:
    """A call: its purpose, and what it changes."""

    product: str
    action: str
    parameters: dict[str, str]
    name: str
    makes: bool = False
    deletes: bool = False


@dataclass
class Writer:
    """One thread's calls on its own resources, all of one kind."""

    kind: str
    number: int
    place: Place
    ids: dict[str, str] = field(default_factory=dict)
    seen: dict[str, Shape | None] = field(default_factory=dict)
    """The effect of the last acknowledged call; None where only a read shows it."""
    unsure: Call | None = None
    acknowledged: int = 0
    failure: str = ""
    _count: int = 0

    def work(self, link: Connection, chance: random.Random) -> None:
        """Send calls until the cloud stops answering."""
        while True:
            call = self._next(chance)
            self.unsure = call
            try:
                answer = link.call(call.product, call.action, call.parameters)
            except (OSError, http.client.HTTPException):
                return
            except AssertionError as error:
                self.failure = f"{call.action} of {call.name}: {error}"
                return
            self._note(call, answer)
            self.unsure = None
            self.acknowledged += 1

    def _next(self, chance: random.Random) -> Call:
        if not self.ids or chance.random() < 0.5:
            self._count += 1
            return self._creation(f"{self.kind}-{self.number}-{self._count}")
        name = chance.choice(sorted(self.ids))
        if chance.random() < 0.6 or self.kind == "instance":
            return self._deletion(name)
        return self._change(name)

    def _creation(self, name: str) -> Call:
        token = {"ClientToken": uuid.uuid4().hex}
        where = {"VSwitchId": self.place.vswitch, "SecurityGroupId": self.place.group}
        if self.kind == "eni":
            parameters = {"NetworkInterfaceName": name, "SecondaryPrivateIpAddressCount": "3"}
            return Call(
                "Ecs", "CreateNetworkInterface", {**parameters, **where, **token}, name, makes=True
            )
        if self.kind == "instance":
            parameters = {"InstanceName": name, "InstanceType": "ecs.g7.large"}
            more = {**where, **token, "ImageId": self.place.image}
            return Call("Ecs", "RunInstances", {**parameters, **more}, name, makes=True)
        parameters = {"SecurityGroupName": name, "VpcId": self.place.vpc}
        return Call("Ecs", "CreateSecurityGroup", {**parameters, **token}, name, makes=True)

    def _change(self, name: str) -> Call:
        if self.kind == "eni":
            parameters = {
                "NetworkInterfaceId": self.ids[name],
                "SecondaryPrivateIpAddressCount": "2",
            }
            return Call("Ecs", "AssignPrivateIpAddresses", parameters, name)
        parameters = {"SecurityGroupId": self.ids[name]}
        base = 1000 + 10 * len(self.seen[name] or ())
        for n in range(_RULES):
            rule = {"IpProtocol": "tcp", "PortRange": f"{base + n}/{base + n}"}
            rule["SourceCidrIp"] = "10.0.0.0/8"
            parameters |= {f"Permissions.{n + 1}.{key}": value for key, value in rule.items()}
        return Call("Ecs", "AuthorizeSecurityGroup", parameters, name)

    def _deletion(self, name: str) -> Call:
        which = self.ids[name]
        action, parameters = {
            "eni": ("DeleteNetworkInterface", {"NetworkInterfaceId": which}),
            "instance": ("DeleteInstance", {"InstanceId": which, "Force": "true"}),
            "group": ("DeleteSecurityGroup", {"SecurityGroupId": which}),
        }[self.kind]
        return Call("Ecs", action, parameters, name, deletes=True)

    def _note(self, call: Call, answer: dict[str, Any]) -> None:
        name = call.name
        if call.deletes:
            del self.ids[name], self.seen[name]
            return
        if call.makes:
            self.ids[name] = _id_of(self.kind, answer)
        if self.kind == "eni" and call.makes:
            self.seen[name] = addresses(answer)
        elif self.kind == "eni":
            added = answer["AssignedPrivateIpAddressesSet"]["PrivateIpSet"]["PrivateIpAddress"]
            self.seen[name] = tuple(sorted([*(self.seen[name] or ()), *added]))
        elif self.kind == "group":
            before = self.seen.get(name) or ()
            self.seen[name] = (
                () if call.makes else (*before, *(f"rule {len(before) + n}" for n in range(_RULES)))
            )
        else:
            self.seen[name] = ("eni", "disk")

    def check(self, present: dict[str, tuple[str, Shape]]) -> None:
        """Compare the cloud's resources of this writer with the ledger; then continue from them."""
        assert not self.failure, self.failure
        mine = {n: v for n, v in present.items() if n.startswith(f"{self.kind}-{self.number}-")}
        open_name = self.unsure.name if self.unsure else ""
        for name, shape in self.seen.items():
            if name == open_name:
                continue
            assert name in mine, f"{name} was acknowledged and is lost"
            assert mine[name] == (self.ids[name], shape), f"{name} is not as acknowledged"
        strangers = set(mine) - set(self.seen) - {open_name}
        assert not strangers, f"{strangers} were deleted, or never created"
        if self.unsure is not None:
            self._check_unsure(self.unsure, mine)

    def _check_unsure(self, call: Call, mine: dict[str, tuple[str, Shape]]) -> None:
        name = call.name
        there = mine.get(name)
        if there is None:
            assert call.makes or call.deletes, f"{name} is lost after {call.action}"
            self.ids.pop(name, None)
            self.seen.pop(name, None)
            return
        size, before = len(there[1]), len(self.seen.get(name) or ())
        whole = {"eni": 4, "instance": 2, "group": 0}[self.kind]
        step = {"eni": 2, "instance": 0, "group": _RULES}[self.kind]
        allowed = {whole} if call.makes else {before} if call.deletes else {before, before + step}
        assert size in allowed, f"half of {call.action}: {name} is {there[1]}"
        self.ids[name], self.seen[name] = there

    def repeat(self, link: Connection) -> None:
        """Repeat an unacknowledged creation with its token."""
        call, self.unsure = self.unsure, None
        if call is None or not call.makes:
            return
        answer = link.call(call.product, call.action, call.parameters)
        created = _id_of(self.kind, answer)
        noted = self.ids.get(call.name)
        assert noted in {None, created}, f"the token of {call.name} created a second one"
        self._note(call, answer)


def _id_of(kind: str, answer: dict[str, Any]) -> str:
    if kind == "instance":
        return str(answer["InstanceIdSets"]["InstanceIdSet"][0])
    return str(answer[{"eni": "NetworkInterfaceId", "group": "SecurityGroupId"}[kind]])


def addresses(eni: dict[str, Any]) -> Shape:
    """An ENI's private addresses."""
    return tuple(sorted(ip["PrivateIpAddress"] for ip in eni["PrivateIpSets"]["PrivateIpSet"]))


def everything_by_name(link: Connection, place: Place) -> dict[str, tuple[str, Shape]]:
    """Return all resources by name, after checking what must hold for all of them."""
    enis = list(
        link.pages(
            "Ecs", "DescribeNetworkInterfaces", "NetworkInterfaceSets", "NetworkInterfaceSet"
        )
    )
    addresses_seen = Counter(ip for eni in enis for ip in addresses(eni))
    assert [ip for ip, times in addresses_seen.items() if times > 1] == []
    vswitch = {"VSwitchId": place.vswitch}
    free = link.call("Vpc", "DescribeVSwitchAttributes", vswitch)["AvailableIpAddressCount"]
    assert free == 65536 - 4 - len(addresses_seen)
    by_name = {
        e["NetworkInterfaceName"]: (e["NetworkInterfaceId"], addresses(e))
        for e in enis
        if e["Type"] == "Secondary"
    }
    parts = Counter(f"{e['InstanceId']} eni" for e in enis if e["InstanceId"])
    disks = list(link.pages("Ecs", "DescribeDisks", "Disks", "Disk"))
    parts.update(f"{d['InstanceId']} disk" for d in disks)
    instances = list(link.pages("Ecs", "DescribeInstances", "Instances", "Instance"))
    assert len(parts) == 2 * len(instances), "parts of instances that are not there"
    for instance in instances:
        which = instance["InstanceId"]
        shape = tuple(p for p in ("eni", "disk") for _ in range(parts[f"{which} {p}"]))
        by_name[instance["InstanceName"]] = (which, shape)
    groups = link.pages("Ecs", "DescribeSecurityGroups", "SecurityGroups", "SecurityGroup")
    for group in groups:
        which = group["SecurityGroupId"]
        attribute = link.call("Ecs", "DescribeSecurityGroupAttribute", {"SecurityGroupId": which})
        rules = [
            p for p in attribute["Permissions"]["Permission"] if p.get("Direction") == "ingress"
        ]
        by_name[group["SecurityGroupName"]] = (which, tuple(f"rule {n}" for n in range(len(rules))))
    return by_name


def run(writers: list[Writer], port: int, ca: Path, seed: int) -> list[threading.Thread]:
    """Start all writers."""
    threads = [
        threading.Thread(
            target=w.work,
            args=(Connection(port, ca), random.Random(f"{seed} {n}")),  # noqa: S311  # reproducible
        )
        for n, w in enumerate(writers)
    ]
    for thread in threads:
        thread.start()
    return threads
