"""The keys of Secrets in etcd on a control plane: derived, changed while it runs, never lost."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from pathlib import Path

import pytest
import yaml

from planning.nodes import machine
from planning.nodes.control_plane import ENCRYPTION_FILE
from tests.clusters import fake_secrets, small, three_control_planes
from tests.planning.documents import booted, planned
from tests.planning.nodes.programs import test_bootstrap_program as bootstrap
from tests.planning.nodes.programs.test_node_program import (
    HERE,
    PODS,
    Place,
    _cut_everywhere,
    settled,
)

pytestmark = pytest.mark.unit

KEYS = f"{HERE}/encryption"
MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"


def encrypting(place: Place, keys: str = "key1") -> Place:
    """The control plane of a cluster whose API servers take keys."""
    place.path(KEYS).write_text(f"{keys}\n", encoding="utf-8")
    flag = f"--encryption-provider-config={place.path(ENCRYPTION_FILE)}\n"
    place.path(MANIFEST).write_text(flag, encoding="utf-8")
    return place


@pytest.fixture
def plane(tmp_path: Path) -> Place:
    return encrypting(settled(tmp_path, planned(three_control_planes()), "masters-0"))


def ask(place: Place, keys: str) -> str:
    text = machine.node_settings(place.plan, place.node, "", encryption_keys=tuple(keys.split()))
    place.ask(machine.SETTINGS, text)
    return machine.settings_digest(text)


def providers(text: str) -> list[tuple[str, str]]:
    """Name and key of each provider of an EncryptionConfiguration, in its order."""
    (resource,) = yaml.safe_load(text)["resources"]
    assert resource["resources"] == ["secrets"]
    keys = [
        provider.get("secretbox", {}).get("keys", [{}])[0] for provider in resource["providers"]
    ]
    return [(key.get("name", "identity"), key.get("secret", "")) for key in keys]


def expected(name: str) -> tuple[str, str]:
    """A key by HKDF of RFC 5869 with SHA-256: one block is 32 bytes, as secretbox has them."""
    ca = fake_secrets().ca.key.strip().encode()
    root = hmac.digest(b"spiderpool-alicloud", ca, hashlib.sha256)
    key = hmac.digest(root, f"secretbox {name}".encode() + b"\x01", hashlib.sha256)
    return name, base64.b64encode(key).decode()


def test_a_control_plane_derives_its_keys_from_the_cas(plane: Place) -> None:
    ask(plane, "key1 key2")
    plane.run()
    file = plane.path(ENCRYPTION_FILE)
    assert providers(file.read_text("utf-8")) == [expected("key1"), expected("key2")]
    assert file.stat().st_mode & 0o777 == 0o600


def test_other_keys_restart_the_api_server_and_the_node_says_which_it_has(plane: Place) -> None:
    digest = ask(plane, "key1 key2")
    plane.run()
    plane.run()
    assert plane.annotations[machine.ENCRYPTION_KEYS] == "key1 key2"
    assert plane.annotations[machine.SETTINGS_APPLIED] == digest
    assert plane.pods == list(PODS)


def test_the_same_keys_restart_nothing(plane: Place) -> None:
    ask(plane, "key1")
    plane.run()
    assert not plane.path(ENCRYPTION_FILE).exists()
    assert plane.annotations[machine.ENCRYPTION_KEYS] == "key1"


def test_every_step_of_a_rotation_is_taken(plane: Place) -> None:
    for keys in ("key1 key2", "key2 key1", "key2", "key2 key3"):
        ask(plane, keys)
        plane.run()
        plane.run()
        assert plane.annotations[machine.ENCRYPTION_KEYS] == keys
        names = [name for name, _ in providers(plane.text(ENCRYPTION_FILE))]
        assert names == keys.split()


@pytest.mark.parametrize(
    ("before", "asked"),
    [
        ("key1", "key2"),
        ("key1", "key2 key1"),
        ("key1 key2", "key2"),
        ("identity", "key1 identity"),
        ("identity key1", "key1"),
        ("key2 key1", "key1"),
    ],
)
def test_keys_with_which_secrets_would_be_unreadable_are_refused(
    plane: Place, before: str, asked: str
) -> None:
    encrypting(plane, before)
    ask(plane, asked)
    plane.run()
    plane.run()
    assert "Secrets with" in plane.annotations[machine.SETTINGS_FAILED]
    assert plane.text(KEYS) == f"{before}\n"
    assert not plane.path(ENCRYPTION_FILE).exists()
    assert plane.annotations[machine.ENCRYPTION_KEYS] == before


@pytest.mark.parametrize(
    ("in_etcd", "left"),
    [(["key2", "key2", "key2", "key1"], "key1"), (["identity"], "identity")],
    ids=["on-the-second-page", "plain"],
)
def test_a_key_that_a_secret_in_etcd_still_has_is_not_forgotten(
    plane: Place, in_etcd: list[str], left: str
) -> None:
    before = f"key2 {left}"
    encrypting(plane, before)
    plane.write("secrets.json", in_etcd)
    ask(plane, "key2")
    plane.run()
    plane.run()
    assert f"Secrets in etcd have {left}" in plane.annotations[machine.SETTINGS_FAILED]
    assert "operations secrets rewrite" in plane.annotations[machine.SETTINGS_FAILED]
    assert plane.text(KEYS) == f"{before}\n"


def test_a_key_is_forgotten_by_itself_once_every_secret_is_written_again(plane: Place) -> None:
    encrypting(plane, "key2 key1")
    plane.write("secrets.json", ["key2", "key1"])
    digest = ask(plane, "key2")
    plane.run()
    plane.write("secrets.json", ["key2"] * 5)
    plane.run()
    assert plane.text(KEYS) == "key2 key1\n", "etcd is not asked every few seconds"
    awaited = plane.path("/run/spiderpool-alicloud-refused-until-secrets-are-written")
    os.utime(awaited, (0, 0))
    plane.run()
    plane.run()
    assert plane.annotations[machine.ENCRYPTION_KEYS] == "key2"
    assert plane.annotations[machine.SETTINGS_APPLIED] == digest
    assert not plane.annotations.get(machine.SETTINGS_FAILED)


def test_a_key_is_not_forgotten_while_etcd_does_not_answer(plane: Place) -> None:
    encrypting(plane, "key2 key1")
    plane.change("world.json", etcd=[])
    ask(plane, "key2")
    plane.run()
    assert "its etcd does not answer" in plane.annotations[machine.SETTINGS_FAILED]
    assert plane.text(KEYS) == "key2 key1\n"


def test_keys_with_which_the_api_server_does_not_start_are_reverted(plane: Place) -> None:
    ask(plane, "key1 key666")
    plane.run()
    plane.run()
    assert "is not ready with the keys" in plane.annotations[machine.SETTINGS_FAILED]
    assert providers(plane.text(ENCRYPTION_FILE)) == [expected("key1")]
    assert plane.annotations[machine.ENCRYPTION_KEYS] == "key1"
    assert plane.pods == list(PODS)


@pytest.mark.process
@pytest.mark.parametrize("moment", ["CUT", "CUT_AFTER"])
def test_a_change_of_keys_ends_the_same_wherever_a_run_was_cut_off(
    tmp_path: Path, moment: str
) -> None:
    def change(place: Place) -> None:
        ask(encrypting(place), "key1 key2")

    def check(place: Place) -> None:
        # A run that finds the API server away only brings it back.
        place.run()
        assert place.annotations[machine.ENCRYPTION_KEYS] == "key1 key2"
        assert providers(place.text(ENCRYPTION_FILE)) == [expected("key1"), expected("key2")]
        assert place.pods == list(PODS)

    _cut_everywhere(tmp_path, "masters-0", moment, change, check)


def test_the_api_server_of_an_earlier_release_takes_no_keys(plane: Place) -> None:
    plane.path(KEYS).write_text("identity\n", encoding="utf-8")
    plane.path(MANIFEST).write_text("--profiling=true\n", encoding="utf-8")
    ask(plane, "identity")
    plane.run()
    assert machine.ENCRYPTION_KEYS not in plane.annotations
    assert machine.SETTINGS_FAILED not in plane.annotations
    ask(plane, "identity key1")
    plane.run()
    assert "takes no keys" in plane.annotations[machine.SETTINGS_FAILED]


def test_workers_have_no_keys() -> None:
    plan = planned(small())
    worker = plan.nodes["workers-0"]
    assert "encryption" not in machine.node_settings(plan, worker, "", encryption_keys=("key1",))
    files = booted(plan, "workers-0").files
    assert "ENCRYPTION_KEYS=''\n" in files[f"{HERE}/node.env"]
    assert not [path for path in files if path.startswith("/etc/kubernetes/api-server")]


def test_a_unit_of_an_earlier_release_is_not_asked_for_keys() -> None:
    plan = planned(small())
    texts = {
        machine.applicable(
            machine.node_settings(plan, plan.nodes["masters-0"], "", encryption_keys=keys),
            machine.ENCRYPTING_UNIT - 1,
        )
        for keys in (("key1",), ("key1", "key2"))
    }
    assert len(texts) == 1


booting = bootstrap.machine
"""A machine before its first boot."""


def test_a_new_cluster_encrypts_from_its_first_secret_on(booting: bootstrap.Machine) -> None:
    bootstrap.provisioned(booting, planned(small()), "masters-0").run()
    assert booting.text(KEYS) == "key1\n"
    assert providers(booting.text(ENCRYPTION_FILE)) == [expected("key1")]


def test_a_control_plane_that_joins_takes_the_keys_of_the_others(
    booting: bootstrap.Machine,
) -> None:
    plan = planned(three_control_planes())
    bootstrap.provisioned(booting, plan, "masters-0", creation_ends=None)
    done = booting.run(ready="10.0.0.32", KEYS_IN_USE="key4 key3")
    assert done.returncode == 0, done.stderr
    assert booting.text(KEYS) == "key4 key3\n"
    assert providers(booting.text(ENCRYPTION_FILE)) == [expected("key4"), expected("key3")]
