"""Profiles lie under a stack file; a stack file is read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.load import load
from config.model import Profile
from config.profiles import merge, with_profile
from config.report import ConfigError
from config.stackfile import read_file, read_text

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]


def _pool(**more: object) -> dict[str, object]:
    return {
        "role": "control-plane",
        "instanceType": "ecs.g7.xlarge",
        "interfaces": {"eth0": {"subnet": "primary"}},
        **more,
    }


def _document(profile: str, **pool: object) -> dict[str, Any]:
    return {
        "profile": profile,
        "name": "one",
        "region": "cn-hangzhou",
        "network": {
            "vpc": {"cidr": "10.0.0.0/16"},
            "subnets": {"primary": {"zones": {"cn-hangzhou-i": {"cidr": "10.0.0.0/20"}}}},
        },
        "nodePools": {"masters": _pool(**pool)},
        "kubernetes": {"endpoint": {"allowedCidrs": ["203.0.113.0/24"]}},
    }


def test_prod_has_three_protected_and_encrypted_control_planes() -> None:
    config = load(_document("prod"))
    pool = config.node_pools["masters"]
    assert (pool.count, pool.disk.encrypted) == (3, True)
    assert config.protect
    assert config.kubernetes.endpoint.public is False


def test_what_the_file_says_wins_over_the_profile() -> None:
    document = _document("prod", count=1, deletionProtection=False)
    document["kubernetes"]["endpoint"]["public"] = True
    config = load(document)
    assert config.node_pools["masters"].count == 1
    assert config.node_pools["masters"].deletion_protection is False
    assert config.kubernetes.endpoint.public is True


def test_the_local_profile_speaks_to_the_local_cloud_only() -> None:
    config = load(_document("local", count=1))
    assert config.cloud.endpoint == "127.0.0.1:18443"
    assert config.spiderpool.chart.repository is None
    assert config.spiderpool.chart.name == ".local/charts/spiderpool"


def test_a_performance_level_does_not_outlive_its_category() -> None:
    disk = load(_document("prod", disk={"category": "cloud_auto"})).node_pools["masters"].disk
    assert (disk.category, disk.performance_level, disk.encrypted) == ("cloud_auto", None, True)


def test_a_nodes_own_disk_stays_encrypted_in_prod() -> None:
    document = _document("prod", nodes={"m-0": {"disk": {"size": 500}}})
    disk = load(document).node_pools["masters"].nodes["m-0"].disk
    assert disk is not None
    assert (disk.size, disk.encrypted, disk.performance_level) == (500, True, "PL1")


def test_maps_are_merged_and_lists_replaced() -> None:
    under = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert merge(under, {"a": {"c": [3]}, "d": None}) == {"a": {"b": 1, "c": [3]}, "d": None}


def test_a_document_without_a_profile_is_left_as_it_is() -> None:
    assert with_profile({"name": "x"}) == {"name": "x"}


@pytest.mark.parametrize("profile", list(Profile))
def test_the_effective_configuration_means_the_same_when_loaded_again(profile: Profile) -> None:
    config = load(_document(profile.value, count=1))
    again = load(config.model_dump(mode="json", by_alias=True))
    assert again == config


def _problems(text: str) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        read_text(text)
    return [(p.path, p.remedy) for p in caught.value.problems]


def test_a_stack_file_is_read_with_everything_of_ours() -> None:
    stack_file = read_file(ROOT / "stacks/Pulumi.local.yaml")
    assert stack_file.cluster["name"] == "guide"
    assert stack_file.own["secretsFile"] == ".local/secrets.yaml"


def test_a_bare_cluster_object_is_read_too() -> None:
    assert read_text("name: x").cluster == {"name": "x"}


def test_a_misspelt_key_of_ours_gets_the_nearest_one() -> None:
    text = "config: {'spiderpool-alicloud:clutser': {}}"
    remedies = dict(_problems(text))
    assert "spiderpool-alicloud:cluster" in remedies["config.spiderpool-alicloud:clutser"]
    assert "config.spiderpool-alicloud:cluster" in remedies


def test_keys_of_other_namespaces_are_not_ours_to_judge() -> None:
    text = "config: {'aws:region': x, 'spiderpool-alicloud:cluster': {name: x}}"
    assert read_text(text).cluster == {"name": "x"}


def test_a_secret_in_plain_text_next_to_the_cluster_is_refused_without_showing_it() -> None:
    text = "config: {'spiderpool-alicloud:secrets': hunter2, 'spiderpool-alicloud:cluster': {}}"
    with pytest.raises(ConfigError) as caught:
        read_text(text)
    assert "hunter2" not in str(caught.value)
    assert [p.path for p in caught.value.problems] == ["config.spiderpool-alicloud:secrets"]


def test_a_file_of_secrets_in_clear_is_for_the_local_profile_only() -> None:
    text = (
        "config: {'spiderpool-alicloud:secretsFile': x.yaml, "
        "'spiderpool-alicloud:cluster': {profile: prod}}"
    )
    assert [path for path, _ in _problems(text)] == ["config.spiderpool-alicloud:secretsFile"]


def test_an_encrypted_secret_is_taken() -> None:
    text = (
        "config: {'spiderpool-alicloud:accessKey': {accessKeyId: {secure: v1:x}, "
        "accessKeySecret: {secure: v1:y}}, 'spiderpool-alicloud:cluster': {}}"
    )
    assert set(read_text(text).own) == {"accessKey", "cluster"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("name: a\nname: b\n", "is there twice"),
        ("a: [1, 2\n", "line"),
        ("- a\n", "Not an object"),
        ("", "Not an object"),
        ("config: 3\n", "must be an object"),
        ("a: &a [*a]\nb: *c\n", "Not valid YAML"),
        ("a: &a {b: 1}\nc: {<<: *a, d: 1, d: 2}\n", "is there twice"),
        ("a: {<<: 3}\n", "Not valid YAML"),
        ("? [1, 2]\n: x\n", ""),
        ("a: !!python/object:os.system x\n", "Not valid YAML"),
    ],
)
def test_text_that_is_not_a_stack_file_is_refused_with_its_place(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(read_text(text).cluster)
    assert part in str(caught.value)


def test_an_object_may_be_laid_under_another_one() -> None:
    text = "a: &a {size: 1, zone: i}\nb: {<<: *a, size: 2}\n"
    assert read_text(text).cluster["b"] == {"size": 2, "zone": "i"}


def test_a_file_that_is_not_there_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_file(tmp_path / "none.yaml")
