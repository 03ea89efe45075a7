"""Whole life cycles of three more stacks: up, up again, refresh, edit, destroy, nothing left.

Every cycle has a cloud of its own, and all run at the same time: they mostly wait for the provider.
The guide's stack goes the same way in test_edits, and with Kubernetes in test_local_stack.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from tests.engine.clouds import hostile_turns
from tests.engine.clouds.local_cloud import Done
from tests.engine.lifecycle.clouds.light_cloud import Edit, LightCloud, Step, light_stack, previewed
from tests.engine.lifecycle.clouds.light_stacks import adopted, dual_stack, three_zones
from tests.engine.lifecycle.clouds.ready_server import ready_server
from tests.engine.lifecycle.official_sdk import Sdk, client, models
from tests.localcloud.machines.fake_cloud import until

# The first test waits for whole cycles: half an hour on two cores with a load of 45.
pytestmark = [pytest.mark.engine, pytest.mark.timeout(3600)]


@dataclass(kw_only=True)
class Cycle:
    """The commands that one stack has run, by step."""

    light: LightCloud
    done: dict[str, Done] = field(default_factory=dict)
    """By the name of the step; a step that fails is the last but `destroy`."""
    before: Mapping[str, list[str]] = field(default_factory=dict)
    deployed: Mapping[str, list[str]] = field(default_factory=dict)
    edited: Mapping[str, list[str]] = field(default_factory=dict)
    left: Mapping[str, list[str]] = field(default_factory=dict)

    def step(self, name: str) -> Done:
        done = self.done.get(name)
        assert done is not None, "\n".join(f"{k}: {d.transcript}" for k, d in self.done.items())
        return done


def go_round(light: LightCloud, edit: Edit) -> Cycle:
    """Run the whole cycle; a failure skips to destroy."""
    cycle = Cycle(light=light, before=light.alive())
    edited = light.edited(edit)

    def deployed() -> None:
        cycle.deployed = light.alive()

    def applied() -> None:
        cycle.edited = light.alive()

    steps: list[tuple[str, Callable[[], Done], Callable[[], None]]] = [
        ("first preview", lambda: light.pulumi("preview", "--json"), lambda: None),
        ("up", light.up, deployed),
        ("up again", lambda: light.up("--expect-no-changes"), lambda: None),
        ("refresh", lambda: light.refresh("--expect-no-changes"), lambda: None),
        ("preview", lambda: light.pulumi("preview", "--expect-no-changes"), lambda: None),
        ("preview of the edit", lambda: edited.pulumi("preview", "--json"), lambda: None),
        ("edit", edited.up, applied),
        ("up after the edit", lambda: edited.up("--expect-no-changes"), lambda: None),
    ]
    try:
        for name, command, then in steps:
            cycle.done[name] = command()
            if cycle.done[name].status:
                break
            then()
    finally:
        cycle.done["destroy"] = light.destroy()
        cycle.left = light.alive()
    return cycle


def a_worker_more(cluster: dict[str, Any]) -> None:
    cluster["nodePools"]["workers"]["nodes"]["worker-1"] = {}


def another_disk(cluster: dict[str, Any]) -> None:
    cluster["nodePools"]["workers"]["disk"] = {"category": "cloud_auto"}


def an_owner(cluster: dict[str, Any]) -> None:
    cluster["tags"] = {"owner": "platform"}


def network_of_somebody_else(light: LightCloud) -> dict[str, str]:
    """A VPC with two vSwitches and a NAT gateway with its EIP, created by the official SDK.

    A new resource is Pending at first, as on the real cloud, and refuses dependents until then.
    """
    vpc, sdk = models("vpc"), client("vpc", light.cloud)
    region = "cn-hangzhou"
    vpc_id = sdk.create_vpc(
        vpc.CreateVpcRequest(region_id=region, cidr_block="10.96.0.0/16", vpc_name="theirs")
    ).body.vpc_id
    vswitches = {
        name: until(
            f"the VPC takes the vSwitch {name}",
            60,
            partial(
                sdk.create_vswitch,
                vpc.CreateVSwitchRequest(
                    region_id=region, vpc_id=vpc_id, zone_id="cn-hangzhou-i", cidr_block=cidr
                ),
            ),
        ).body.v_switch_id
        for name, cidr in (("primary", "10.96.0.0/20"), ("secondary", "10.96.16.0/20"))
    }
    gateway = until(
        "the vSwitch takes the NAT gateway",
        60,
        lambda: sdk.create_nat_gateway(
            vpc.CreateNatGatewayRequest(
                region_id=region,
                vpc_id=vpc_id,
                v_switch_id=vswitches["primary"],
                nat_type="Enhanced",
                internet_charge_type="PayByLcu",
            )
        ),
    ).body.nat_gateway_id
    address = sdk.allocate_eip_address(
        vpc.AllocateEipAddressRequest(region_id=region, bandwidth="5")
    ).body
    until(
        "the NAT gateway takes the EIP",
        60,
        lambda: sdk.associate_eip_address(
            vpc.AssociateEipAddressRequest(
                region_id=region,
                allocation_id=address.allocation_id,
                instance_id=gateway,
                instance_type="Nat",
            )
        ),
    )

    def is_associated() -> bool:
        request = vpc.DescribeEipAddressesRequest(
            region_id=region, allocation_id=address.allocation_id
        )
        (eip,) = sdk.describe_eip_addresses(request).body.eip_addresses.eip_address
        return bool(eip.status == "InUse")

    until("the EIP is associated", 60, is_associated)
    return {"vpc": vpc_id, **vswitches, "nat": gateway, "address": address.eip_address}


def described(sdk: Sdk, ids: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """The API's description of the adopted network without the counters of its use."""
    vpc = models("vpc")
    region = "cn-hangzhou"
    answers = [
        sdk.describe_vpcs(vpc.DescribeVpcsRequest(region_id=region, vpc_id=ids["vpc"])),
        *(
            sdk.describe_vswitches(
                vpc.DescribeVSwitchesRequest(region_id=region, v_switch_id=ids[name])
            )
            for name in ("primary", "secondary")
        ),
        sdk.describe_nat_gateways(
            vpc.DescribeNatGatewaysRequest(region_id=region, nat_gateway_id=ids["nat"])
        ),
    ]
    return [{**answer.body.to_map(), "RequestId": None} for answer in answers]


@dataclass(frozen=True, kw_only=True)
class Cycles:
    by_name: Mapping[str, Cycle]
    theirs: tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]
    """The adopted network before and after."""


@pytest.fixture(scope="module")
def cycles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cycles]:
    """All cycles, run at the same time."""
    home = tmp_path_factory.mktemp("cycles")
    variables = hostile_turns.environment(hostile_turns.CYCLES)
    with contextlib.ExitStack() as ends, ThreadPoolExecutor() as executor:

        def started(name: str, cluster: Mapping[str, Any]) -> LightCloud:
            light = light_stack(home / name, cluster, variables=variables)
            light.start()
            ends.callback(light.cloud.kill_everything)
            ends.callback(light.stop)
            return light

        dual, zones = started("dual", dual_stack()), started("zones", three_zones())
        ends.enter_context(ready_server(zones))
        nobody = dict.fromkeys(("vpc", "primary", "secondary", "nat", "address"), "")
        bare = started("adopted", adopted(nobody))
        ids = network_of_somebody_else(bare)
        adopting = bare.edited(lambda cluster: cluster.update(_network(ids)))
        sdk = client("vpc", bare.cloud)
        before = described(sdk, ids)
        rounds = {
            "dual stack": executor.submit(go_round, dual, a_worker_more),
            "three zones": executor.submit(go_round, zones, another_disk),
            "adopted": executor.submit(go_round, adopting, an_owner),
        }
        by_name = {name: cycle.result() for name, cycle in rounds.items()}
        yield Cycles(by_name=by_name, theirs=(before, described(sdk, ids)))


def _network(ids: Mapping[str, str]) -> Mapping[str, Any]:
    return {"network": adopted(ids)["network"]}


STACKS = pytest.mark.parametrize("stack", ["dual stack", "three zones", "adopted"])


@STACKS
def test_the_first_up_ends_well(cycles: Cycles, stack: str) -> None:
    done = cycles.by_name[stack].step("up")
    assert done.status == 0, done.transcript


@STACKS
def test_a_second_up_changes_nothing(cycles: Cycles, stack: str) -> None:
    done = cycles.by_name[stack].step("up again")
    assert done.status == 0, done.transcript


@STACKS
@pytest.mark.parametrize("step", ["refresh", "preview"])
def test_a_refresh_and_the_preview_after_it_find_no_change(
    cycles: Cycles, stack: str, step: str
) -> None:
    done = cycles.by_name[stack].step(step)
    assert done.status == 0, done.transcript


@STACKS
def test_an_edit_is_applied_and_the_next_up_changes_nothing(cycles: Cycles, stack: str) -> None:
    cycle = cycles.by_name[stack]
    assert cycle.step("edit").status == 0, cycle.step("edit").transcript
    assert cycle.step("up after the edit").status == 0, cycle.step("up after the edit").transcript


@STACKS
def test_destroy_leaves_what_was_there_before_and_nothing_else(cycles: Cycles, stack: str) -> None:
    cycle = cycles.by_name[stack]
    assert cycle.step("destroy").status == 0, cycle.step("destroy").transcript
    assert cycle.left == cycle.before


def test_a_worker_more_with_two_stacks_touches_what_carries_its_name(cycles: Cycles) -> None:
    name = "dual-worker-1"
    pods = {"eth0": ("10-48-0-161", "10-48-0-162"), "eth1": ("10-48-16-161", "10-48-16-162")}
    assert previewed(cycles.by_name["dual stack"].step("preview of the edit")) == sorted(
        [
            ("create", "Node", name),
            ("create", "Instance", name),
            *(("create", "EcsNetworkInterface", f"{name}-{nic}") for nic in pods),
            *(("create", "Ipv6Egress", f"{name}-{nic}") for nic in pods),
            *(
                ("create", "Ipv6InternetBandwidth", f"{name}-{nic}-{pod}")
                for nic, addresses in pods.items()
                for pod in addresses
            ),
        ]
    )


def test_another_disk_replaces_workers_and_does_nothing_to_control_planes(cycles: Cycles) -> None:
    cycle = cycles.by_name["three zones"]
    steps = previewed(cycle.step("preview of the edit"))
    assert steps == [
        ("replace", "Instance", "zones-w-0"),
        ("replace", "Instance", "zones-w-1"),
        ("update", "MachineGeneration", "zones-w-0"),
        ("update", "MachineGeneration", "zones-w-1"),
    ]
    kept = set(cycle.deployed["Instance"]) & set(cycle.edited["Instance"])
    assert len(kept) == 3
    assert cycle.edited["NetworkInterface"] == cycle.deployed["NetworkInterface"]


def test_three_control_planes_are_behind_one_load_balancer(cycles: Cycles) -> None:
    steps = previewed(cycles.by_name["three zones"].step("first preview"))
    kinds = [kind for _, kind, _ in steps]
    assert kinds.count("ApplicationLoadBalancer") == 1
    assert kinds.count("ServerGroupServerAttachment") == 3
    assert kinds.count("Instance") == 5


ADOPTING: list[Step] = sorted(
    [
        ("create", "Stack", "spiderpool-alicloud-local"),
        ("create", "Cluster", "adopted"),
        ("create", "alicloud", "adopted"),
        ("create", "Network", "adopted"),
        ("create", "SecurityGroup", "adopted"),
        ("create", "SecurityGroupRule", "adopted-out"),
        *(
            ("create", "SnatEntry", f"adopted-{subnet}-cn-hangzhou-i")
            for subnet in ("primary", "secondary")
        ),
        *(
            step
            for node in ("master-0", "worker-0")
            for step in (
                ("create", "Node", f"adopted-{node}"),
                ("create", "Instance", f"adopted-{node}"),
                ("create", "EcsNetworkInterface", f"adopted-{node}-eth0"),
                ("create", "EcsNetworkInterface", f"adopted-{node}-eth1"),
            )
        ),
    ]
)


def test_an_adopted_network_gets_machines_rules_and_snat_entries_only(cycles: Cycles) -> None:
    assert previewed(cycles.by_name["adopted"].step("first preview")) == ADOPTING


def test_an_adopted_network_is_never_changed_not_even_by_a_tag(cycles: Cycles) -> None:
    cycle = cycles.by_name["adopted"]
    assert previewed(cycle.step("preview of the edit")) == sorted(
        [
            ("update", "SecurityGroup", "adopted"),
            *(
                step
                for node in ("master-0", "worker-0")
                for step in (
                    ("update", "Instance", f"adopted-{node}"),
                    ("update", "EcsNetworkInterface", f"adopted-{node}-eth0"),
                    ("update", "EcsNetworkInterface", f"adopted-{node}-eth1"),
                )
            ),
        ]
    )
    before, after = cycles.theirs
    assert after == before
