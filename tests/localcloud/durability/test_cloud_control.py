"""The control socket: machines, console, faults, calls."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from localcloud.control_api.control_socket import ControlConnection
from localcloud.daemons import ask
from localcloud.products.ram.entities import Session
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.products.test_ecs_by_sdk import Place
from tests.localcloud.products.test_vpc_by_sdk import nat
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit


def send(cloud: CloudThread, method: str, path: str, document: object = None) -> tuple[int, Any]:
    connection = ControlConnection(cloud.places.control_socket, 20)
    try:
        connection.request(method, path, None if document is None else json.dumps(document))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_the_socket_is_for_its_owner_only(cloud: CloudThread) -> None:
    assert cloud.places.control_socket.stat().st_mode & 0o777 == 0o600


def test_health_reports_the_port_and_the_region(cloud: CloudThread) -> None:
    status, health = send(cloud, "GET", "/health")
    assert (status, health["status"], health["port"], health["region"]) == (
        200,
        "ok",
        cloud.port,
        "cn-hangzhou",
    )


def test_the_machines_view_has_all_that_a_boot_needs(cloud: CloudThread, api: Api) -> None:
    place = Place(api)
    rule = {"IpProtocol": "tcp", "PortRange": "6443/6443", "SourceCidrIp": "127.0.0.0/8"}
    api.ecs("AuthorizeSecurityGroup", SecurityGroupId=place.group, Permissions=[rule])
    eni = place.eni(PrimaryIpAddress="172.31.199.183", PrivateIpAddress=["172.31.199.185"])
    user_data = base64.b64encode(b"#cloud-config\n").decode()
    instance_id = place.run(
        eni["NetworkInterfaceId"], UserData=user_data, HostName="master", HttpTokens="required"
    )
    eip = api.vpc("AllocateEipAddress")
    api.vpc("AssociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=instance_id)
    _, view = send(cloud, "GET", "/machines")
    (instance,) = view["instances"]
    assert instance["user_data"] == user_data
    assert (instance["id"], instance["hostname"], instance["status"], instance["boot"]) == (
        instance_id,
        "master",
        "Running",
        1,
    )
    (nic,) = instance["interfaces"]
    assert (nic["address"], nic["prefix_length"], nic["gateway"], nic["primary"]) == (
        "172.31.199.183",
        20,
        "172.31.207.253",
        True,
    )
    assert nic["secondary_addresses"] == ["172.31.199.185"]
    assert {
        "protocol": "tcp",
        "port_from": 6443,
        "port_to": 6443,
        "source": "127.0.0.0/8",
        "policy": "accept",
        "priority": 1,
    } in instance["ingress"]
    assert view["addresses"] == [
        {
            "id": eip["AllocationId"],
            "ip": eip["EipAddress"],
            "instance_id": instance_id,
            "instance_type": "EcsInstance",
        }
    ]


def test_each_eni_has_the_rules_of_its_own_security_groups(cloud: CloudThread, api: Api) -> None:
    place = Place(api)
    rule = {"IpProtocol": "tcp", "PortRange": "6443/6443", "SourceCidrIp": "127.0.0.0/8"}
    api.ecs("AuthorizeSecurityGroup", SecurityGroupId=place.group, Permissions=[rule])
    place.run(place.eni()["NetworkInterfaceId"])
    _, view = send(cloud, "GET", "/machines")
    (nic,) = view["instances"][0]["interfaces"]
    assert [(r["source"], r["protocol"]) for r in nic["ingress"]] == [
        ("127.0.0.0/8", "tcp"),
        (place.group, "all"),
    ]


@pytest.mark.parametrize(
    ("kind", "destinations"), [("normal", ["0.0.0.0/0", "::/0"]), ("enterprise", [])]
)
def test_only_a_basic_group_lets_out_what_no_rule_judges(
    cloud: CloudThread, api: Api, kind: str, destinations: list[str]
) -> None:
    place = Place(api)
    created = api.ecs("CreateSecurityGroup", VpcId=place.vpc, SecurityGroupType=kind)
    group = created["SecurityGroupId"]
    rule = {"IpProtocol": "tcp", "PortRange": "25/25", "DestCidrIp": "10.0.0.0/8"}
    api.ecs("AuthorizeSecurityGroupEgress", SecurityGroupId=group, Permissions=[rule])
    place.run(place.eni(SecurityGroupIds=[group])["NetworkInterfaceId"])
    _, view = send(cloud, "GET", "/machines")
    (nic,) = view["instances"][0]["interfaces"]
    judged, *others = nic["egress"]
    assert (judged["destination"], judged["policy"]) == ("10.0.0.0/8", "accept")
    assert [rule["destination"] for rule in others] == destinations
    assert all(rule["policy"] == "accept" and rule["priority"] > 100 for rule in others)


def test_the_machines_view_has_the_snat_entries_that_the_default_route_leads_to(
    cloud: CloudThread, api: Api
) -> None:
    vpc_id, vswitch_id, gateway, eip = nat(api)
    api.vpc(
        "AssociateEipAddress",
        AllocationId=eip["AllocationId"],
        InstanceId=gateway["NatGatewayId"],
        InstanceType="Nat",
    )
    (table,) = gateway["SnatTableIds"]["SnatTableId"]
    api.vpc(
        "CreateSnatEntry",
        SnatTableId=table,
        SnatIp=eip["EipAddress"],
        SourceVSwitchId=vswitch_id,
    )
    _, view = send(cloud, "GET", "/machines")
    assert view["translations"] == [
        {"vpc_id": vpc_id, "source": "172.31.192.0/20", "addresses": [eip["EipAddress"]]}
    ]


def test_the_machines_view_has_the_ipv6_addresses_with_bandwidth(
    cloud: CloudThread, api: Api
) -> None:
    place = Place(api, ipv6=True)
    gateway = api.vpc("CreateIpv6Gateway", VpcId=place.vpc)["Ipv6GatewayId"]
    first, _ = (api.vpc("AllocateIpv6Address", VSwitchId=place.vswitch) for _ in range(2))
    api.vpc(
        "AllocateIpv6InternetBandwidth",
        Ipv6GatewayId=gateway,
        Ipv6AddressId=first["Ipv6AddressId"],
        Bandwidth=10,
    )
    _, view = send(cloud, "GET", "/machines")
    assert view["public_ipv6_addresses"] == [{"vpc_id": place.vpc, "address": first["Ipv6Address"]}]


def test_a_long_poll_ends_with_the_next_change(cloud: CloudThread, api: Api) -> None:
    place = Place(api)
    _, view = send(cloud, "GET", "/machines")
    later: list[Any] = []

    def poll() -> None:
        began = time.monotonic()
        _, answer = send(cloud, "GET", f"/machines?after={view['revision']}&wait=15")
        later.append((answer, time.monotonic() - began))

    thread = threading.Thread(target=poll)
    thread.start()
    time.sleep(0.3)
    instance_id = place.run()
    thread.join(20)
    answer, seconds = later[0]
    assert [i["id"] for i in answer["instances"]] == [instance_id]
    assert answer["revision"] > view["revision"]
    assert seconds < 10


def test_a_poll_without_change_ends_in_time(cloud: CloudThread) -> None:
    _, view = send(cloud, "GET", "/machines")
    began = time.monotonic()
    _, again = send(cloud, "GET", f"/machines?after={view['revision']}&wait=0.5")
    assert again["revision"] == view["revision"]
    assert 0.4 < time.monotonic() - began < 5


def test_a_start_is_another_boot(cloud: CloudThread, api: Api) -> None:
    instance_id = Place(api).run()
    api.ecs("StopInstance", InstanceId=instance_id)
    assert send(cloud, "GET", "/machines")[1]["instances"][0]["status"] == "Stopped"
    api.ecs("StartInstance", InstanceId=instance_id)
    assert send(cloud, "GET", "/machines")[1]["instances"][0]["boot"] == 2


def test_what_a_machine_says_is_its_console(cloud: CloudThread, api: Api) -> None:
    instance_id = Place(api).run()
    for line in ("one\n", "two\n"):
        assert send(cloud, "POST", f"/machines/{instance_id}/console", {"text": line})[0] == 200
    output = api.ecs("GetInstanceConsoleOutput", InstanceId=instance_id)["ConsoleOutput"]
    assert base64.b64decode(output) == b"one\ntwo\n"


@pytest.mark.parametrize(
    ("method", "path", "document", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/machines?after=x", None, 400),
        ("GET", "/machines?after=inf", None, 400),
        ("GET", "/calls?after=nan", None, 400),
        ("POST", "/faults", [{"rate": 2}], 400),
        ("POST", "/machines/i-none/console", {"text": "x"}, 404),
        ("POST", "/machines/i-none/console", {"nothing": 1}, 400),
        ("GET", "/machines/i-none/credentials", None, 404),
        ("POST", "/faults", {"action": "x"}, 400),
        ("POST", "/faults", [{"acton": "x"}], 400),
        ("POST", "/faults", [{"kind": "strange"}], 400),
        ("POST", "/faults", [{"times": "many"}], 400),
    ],
)
def test_a_bad_control_request_says_what_is_wrong(
    cloud: CloudThread, method: str, path: str, document: object, status: int
) -> None:
    code, answer = send(cloud, method, path, document)
    assert (code, list(answer)) == (status, ["error"])


def test_calls_are_logged_without_secrets(cloud: CloudThread, api: Api) -> None:
    Place(api).run(UserData=base64.b64encode(b"very secret").decode(), Password="Very-Secret-1")  # noqa: S106  # obviously fake
    calls = ask(cloud.places, "GET", "/calls?after=0")
    (run,) = [c for c in calls if c["action"] == "RunInstances"]
    assert (run["product"], run["status"], run["code"]) == ("Ecs", 200, "")
    assert run["parameters"]["UserData"] == "***"
    assert run["parameters"]["Password"] == "***"  # noqa: S105  # obviously fake
    assert "ecret" not in json.dumps(calls).replace("SecretKey", "")
    assert ask(cloud.places, "GET", f"/calls?after={calls[-1]['n']}") == []


def role_for_machines(api: Api) -> None:
    trusted = {
        "Action": "sts:AssumeRole",
        "Effect": "Allow",
        "Principal": {"Service": ["ecs.aliyuncs.com"]},
    }
    document = json.dumps({"Version": "1", "Statement": [trusted]})
    api.ram("CreateRole", RoleName="r", AssumeRolePolicyDocument=document)
    what = {"PolicyType": "System", "PolicyName": "ReadOnlyAccess", "RoleName": "r"}
    api.ram("AttachPolicyToRole", **what)


def age(cloud: CloudThread, key: str, left: float) -> None:
    """Let a session have so many seconds left."""

    def change() -> None:
        store = cloud.inside.store
        session = store.find(Session, key)
        assert session is not None
        with store.transaction():
            store.change(session, expires=time.time() + left)

    cloud.call(change)


def test_a_machines_credentials_are_new_before_the_old_ones_end(
    cloud: CloudThread, api: Api
) -> None:
    role_for_machines(api)
    path = f"/machines/{Place(api).run(RamRoleName='r')}/credentials"
    _, first = send(cloud, "GET", path)
    assert send(cloud, "GET", path)[1]["AccessKeyId"] == first["AccessKeyId"]
    ends = datetime.strptime(first["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert 5.9 * 3600 < (ends - datetime.now(UTC)).total_seconds() <= 6 * 3600
    age(cloud, first["AccessKeyId"], 31 * 60)
    assert send(cloud, "GET", path)[1]["AccessKeyId"] == first["AccessKeyId"]
    age(cloud, first["AccessKeyId"], 29 * 60)
    _, second = send(cloud, "GET", path)
    assert second["AccessKeyId"] != first["AccessKeyId"]
    # The old ones stay valid until they expire.
    for credentials in (first, second):
        names = ("AccessKeyId", "AccessKeySecret", "SecurityToken")
        Api(cloud.config(*(credentials[n] for n in names))).ecs("DescribeInstances")


def test_a_machine_that_loses_its_role_loses_its_credentials(cloud: CloudThread, api: Api) -> None:
    role_for_machines(api)
    instance_id = Place(api).run(RamRoleName="r")
    path = f"/machines/{instance_id}/credentials"
    assert send(cloud, "GET", path)[0] == 200
    api.ecs("DetachInstanceRamRole", InstanceIds=json.dumps([instance_id]), RamRoleName="r")
    assert send(cloud, "GET", path)[0] == 404


def create(api: Api) -> str:
    return str(api.vpc("CreateVpc", CidrBlock="10.0.0.0/16")["VpcId"])


def count(api: Api) -> int:
    return int(api.vpc("DescribeVpcs")["TotalCount"])


def test_an_error_comes_as_often_as_asked_and_before_the_effect(
    cloud: CloudThread, api: Api
) -> None:
    rule = {"action": "CreateVpc", "code": "Throttling.User", "times": 2}
    send(cloud, "POST", "/faults", [rule])
    for _ in range(2):
        with refused("Throttling.User"):
            create(api)
    assert count(api) == 0
    create(api)
    assert send(cloud, "GET", "/faults")[1][0]["matched"] == 3


def test_the_nth_call_fails_alone(cloud: CloudThread, api: Api) -> None:
    cloud.fault(action="CreateVpc", nth=2, code="X")
    create(api)
    with refused("X"):
        create(api)
    create(api)


def test_a_fault_can_be_for_one_resource(cloud: CloudThread, api: Api) -> None:
    first, second = create(api), create(api)
    cloud.fault(action="Describe*", resource=first, code="X", status=503)
    with refused("X"):
        api.vpc("DescribeVpcAttribute", VpcId=first)
    api.vpc("DescribeVpcAttribute", VpcId=second)


def test_an_error_after_the_effect_leaves_the_effect(cloud: CloudThread, api: Api) -> None:
    cloud.fault(action="CreateVpc", kind="after-effect", code="InternalError", status=500)
    with refused("InternalError"):
        create(api)
    assert count(api) == 1


def test_a_dropped_connection_has_no_answer(cloud: CloudThread, api: Api) -> None:
    cloud.fault(action="CreateVpc", kind="drop", times=1)
    with pytest.raises(Exception, match="(?i)connection|aborted|remote|EOF"):  # noqa: RUF043  # a pattern it is
        create(api)
    assert count(api) == 0


def test_a_timeout_ends_without_an_answer(cloud: CloudThread) -> None:
    from tests.localcloud.wire.test_api_wire import v1  # noqa: PLC0415

    cloud.fault(action="DescribeVpcs", kind="timeout", seconds=0.5)
    began = time.monotonic()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        cloud.raw("POST", "/?" + v1({"Action": "DescribeVpcs", "Version": "2016-04-28"}))
    assert time.monotonic() - began >= 0.5


def test_a_stale_read_shows_what_was(cloud: CloudThread, api: Api) -> None:
    create(api)
    vpc_id = create(api)
    cloud.fault(action="DescribeVpcs", kind="stale", times=1)
    assert [count(api), count(api)] == [1, 2]
    api.vpc("DeleteVpc", VpcId=vpc_id)
    cloud.fault(action="DescribeVpcs", kind="stale", transactions=2, nth=1)
    assert [count(api), count(api)] == [1, 1]


def test_a_rate_strikes_some_calls(cloud: CloudThread, api: Api) -> None:
    cloud.fault(action="DescribeVpcs", rate=0.5, code="ServiceUnavailable", status=503)
    failed = 0
    for _ in range(30):
        try:
            count(api)
        except Exception:  # noqa: BLE001
            failed += 1
    assert 0 < failed < 30


def test_faults_are_forgotten(cloud: CloudThread, api: Api) -> None:
    cloud.fault(code="X")
    assert send(cloud, "DELETE", "/faults")[0] == 200
    assert count(api) == 0
