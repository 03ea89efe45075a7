from __future__ import annotations

import base64
import json

import pytest

from localcloud.machines.control import Instance
from localcloud.machines.vpc_services.metadata import Answer, Request, Tokens, answer
from tests.localcloud.machines import fake_cloud

pytestmark = pytest.mark.unit

NICS = [
    fake_cloud.interface(
        "eni-1", "00:16:3e:00:00:01", "172.31.199.183", "172.31.192.0/20", primary=True
    ),
    fake_cloud.interface(
        "eni-2", "00:16:3e:00:00:02", "192.168.0.155", "192.168.0.0/24", primary=False
    ),
]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


DISKS = {
    "system_disk": "d-1",
    "system_disk_name": "root",
    "data_disks": [{"id": "d-2", "name": "etcd", "size": 20}],
}


def instance(**changes: object) -> Instance:
    return Instance.read(fake_cloud.instance("one", NICS, "#cloud-config\n") | DISKS | changes)


def ask(
    path: str,
    *,
    of: Instance | None = None,
    method: str = "GET",
    tokens: Tokens | None = None,
    **headers: str,
) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(
        Request(method=method, path=path, headers=named),
        of or instance(http_tokens="optional"),
        tokens or Tokens(b"key"),
        lambda: {"Code": "Success", "AccessKeyId": "STS.fake"},
    )


def token(
    tokens: Tokens, seconds: str = "300", of: Instance | None = None, **headers: str
) -> Answer:
    return ask(
        "/latest/api/token",
        of=of,
        method="PUT",
        tokens=tokens,
        x_aliyun_ecs_metadata_token_ttl_seconds=seconds,
        **headers,
    )


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("region-id", "cn-hangzhou"),
        ("zone-id", "cn-hangzhou-h"),
        ("instance-id", "i-one"),
        ("hostname", "host-one"),
        ("mac", "00:16:3e:00:00:01"),
        ("private-ipv4", "172.31.199.183"),
        ("disks/", "1/\n2/"),
        ("disks/1/name", "root"),
        ("disks/2/", "id\nname"),
        ("disks/2/id", "d-2"),
        ("network/interfaces/macs/", "00:16:3e:00:00:01/\n00:16:3e:00:00:02/"),
        ("network/interfaces/macs/00:16:3e:00:00:02/primary-ip-address", "192.168.0.155"),
        ("network/interfaces/macs/00:16:3e:00:00:02/gateway", "192.168.0.253"),
        ("network/interfaces/macs/00:16:3e:00:00:01/netmask", "255.255.240.0"),
        ("network/interfaces/macs/00:16:3e:00:00:01/vswitch-cidr-block", "172.31.192.0/20"),
    ],
)
def test_a_machine_reads_what_it_is(path: str, text: str) -> None:
    assert ask(f"/latest/meta-data/{path}").body.decode() == text


def test_user_data_comes_decoded() -> None:
    assert ask("/latest/user-data").body == b"#cloud-config\n"


def test_hardened_mode_refuses_a_request_without_a_token() -> None:
    assert ask("/latest/meta-data/region-id", of=instance(http_tokens="required")).status == 403


def test_a_token_opens_hardened_mode() -> None:
    hardened, tokens = instance(http_tokens="required"), Tokens(b"key")
    text = token(tokens, of=hardened).body.decode()
    reply = ask(
        "/latest/meta-data/region-id",
        of=hardened,
        tokens=tokens,
        x_aliyun_ecs_metadata_token=text,
    )
    assert (reply.status, reply.body) == (200, b"cn-hangzhou")


def test_a_token_runs_out() -> None:
    clock = Clock()
    tokens = Tokens(b"key", clock)
    text = token(tokens, "60").body.decode()
    clock.now += 61
    assert (
        ask("/latest/meta-data/mac", tokens=tokens, x_aliyun_ecs_metadata_token=text).status == 401
    )


def test_a_request_that_a_proxy_forwards_gets_no_token() -> None:
    forwarded = token(Tokens(b"key"), x_forwarded_for="203.0.113.7")
    assert forwarded.status == 403


@pytest.mark.parametrize("path", ["ipv4-prefixes", "ipv6-gateway", "vpc-ipv6-cidr-blocks"])
def test_what_an_interface_does_not_have_is_not_found(path: str) -> None:
    mac = "network/interfaces/macs/00:16:3e:00:00:01"
    assert ask(f"/latest/meta-data/{mac}/{path}").status == 404


def test_a_machine_without_a_key_pair_has_no_public_keys() -> None:
    assert ask("/latest/meta-data/public-keys/").status == 404


def test_a_token_of_another_instance_is_refused() -> None:
    tokens = Tokens(b"key")
    text = token(tokens, of=instance(id="i-other")).body.decode()
    assert (
        ask("/latest/meta-data/mac", tokens=tokens, x_aliyun_ecs_metadata_token=text).status == 401
    )


@pytest.mark.parametrize(
    "seconds", ["0", "21601", "-1", "soon", "", "1.5", " 60", "²", "٣", "9" * 5000]
)
def test_a_token_for_an_impossible_time_is_refused(seconds: str) -> None:
    assert token(Tokens(b"key"), seconds).status == 400


@pytest.mark.parametrize("seconds", ["1", "21600"])
def test_a_token_lives_from_a_second_to_six_hours(seconds: str) -> None:
    clock = Clock()
    tokens = Tokens(b"key", clock)
    text = token(tokens, seconds).body.decode()

    def status() -> int:
        path = "/latest/meta-data/mac"
        return ask(path, tokens=tokens, x_aliyun_ecs_metadata_token=text).status

    clock.now += int(seconds) - 1
    assert status() == 200
    clock.now += 1
    assert status() == 401


@pytest.mark.parametrize(
    "text", ["", ".", "x", "é", "9999999999.é", "9999999999.", "²." + "x" * 43, "x" * 10_000]
)
@pytest.mark.parametrize("http_tokens", ["optional", "required"])
def test_an_invented_token_is_refused_in_either_mode(text: str, http_tokens: str) -> None:
    reply = ask(
        "/latest/meta-data/mac",
        of=instance(http_tokens=http_tokens),
        x_aliyun_ecs_metadata_token=text,
    )
    assert reply.status == 401


@pytest.mark.parametrize("path", ["user-data", "meta-data/ram/security-credentials/ccm", "dynamic"])
def test_hardened_mode_guards_everything(path: str) -> None:
    hardened = instance(http_tokens="required", ram_role="ccm")
    assert ask(f"/latest/{path}", of=hardened).status == 403


def test_normal_mode_issues_tokens_too() -> None:
    tokens = Tokens(b"key")
    text = token(tokens).body.decode()
    reply = ask("/latest/meta-data/mac", tokens=tokens, x_aliyun_ecs_metadata_token=text)
    assert reply.status == 200


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_metadata_is_only_read(method: str) -> None:
    assert ask("/latest/meta-data/mac", method=method).status == 405


def test_a_token_is_put_not_got() -> None:
    assert ask("/latest/api/token").status == 405


def test_credentials_are_those_of_the_attached_role() -> None:
    reply = ask(
        "/latest/meta-data/ram/security-credentials/ccm",
        of=instance(http_tokens="optional", ram_role="ccm"),
    )
    assert json.loads(reply.body)["AccessKeyId"] == "STS.fake"


def test_without_a_role_there_are_no_credentials() -> None:
    assert ask("/latest/meta-data/ram/security-credentials/").status == 404


def test_an_unknown_path_is_not_found() -> None:
    assert ask("/latest/meta-data/no-such-key").status == 404


def test_user_data_is_what_the_api_was_sent() -> None:
    sent = base64.b64encode(b"\x1f\x8b\x00").decode()
    assert ask("/latest/user-data", of=instance(http_tokens="optional", user_data=sent)).body == (
        b"\x1f\x8b\x00"
    )


def dual_stack() -> Instance:
    nics = [
        {
            **nic,
            "ipv6_addresses": ["2408::28eb", "2408::28ec"],
            "ipv6_network": "2408::/64",
            "vpc_network": "172.31.0.0/16",
            "vpc_ipv6_network": "2408::/56",
            "prefixes": ["192.168.0.64/28"] if not nic["primary"] else [],
        }
        for nic in fake_cloud.instance("one", NICS, "#cloud-config\n")["interfaces"]
    ]
    return instance(
        interfaces=nics,
        http_tokens="optional",
        serial_number="serial",
        owner_account_id="1234567890123456",
        public_address="127.66.0.1",
        public_keys=["ssh-ed25519 not-a-real-key"],
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "network/interfaces/macs/00:16:3e:00:00:01/ipv6s",
            "[2408::28eb,2408::28ec]",
        ),
        ("network/interfaces/macs/00:16:3e:00:00:01/vswitch-ipv6-cidr-block", "2408::/64"),
        (
            "network/interfaces/macs/00:16:3e:00:00:01/ipv6-gateway",
            "2408::ffff:ffff:ffff:fff7",
        ),
        ("network/interfaces/macs/00:16:3e:00:00:01/vpc-ipv6-cidr-blocks", "[2408::/56]"),
        ("network/interfaces/macs/00:16:3e:00:00:02/vpc-cidr-block", "172.31.0.0/16"),
        ("network/interfaces/macs/00:16:3e:00:00:02/ipv4-prefixes", "192.168.0.64/28"),
        ("public-keys/", "0/"),
        ("public-keys/0/openssh-key", "ssh-ed25519 not-a-real-key"),
        ("public-ipv4", "127.66.0.1"),
        ("instance/virtualization-solution", "ECS Virt"),
        ("instance/max-netbw-egress", "2097152"),
        ("vpc-cidr-block", "172.31.0.0/16"),
        ("serial-number", "serial"),
        ("owner-account-id", "1234567890123456"),
        ("eipv4", "127.66.0.1"),
    ],
)
def test_clients_of_other_projects_find_what_they_read(path: str, body: str) -> None:
    assert ask(f"/latest/meta-data/{path}", of=dual_stack()).body.decode() == body


def test_cloud_init_asks_by_a_date_and_for_all_at_once() -> None:
    assert ask("/2016-01-01/user-data").body == b"#cloud-config\n"
    shown = json.loads(ask("/2016-01-01/meta-data/all", of=dual_stack()).body)
    assert shown["vpc-cidr-block"] == "172.31.0.0/16"
    macs = shown["network"]["interfaces"]["macs"]
    assert macs["00:16:3e:00:00:01"]["primary-ip-address"] == "172.31.199.183"


def test_the_identity_document_names_the_owner() -> None:
    document = json.loads(ask("/latest/dynamic/instance-identity/document", of=dual_stack()).body)
    assert document["owner-account-id"] == "1234567890123456"
    assert (document["serial-number"], document["mac"]) == ("serial", "00:16:3e:00:00:01")
