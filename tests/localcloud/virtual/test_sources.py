"""The index of a package source and its address."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from localcloud.virtual import names
from localcloud.virtual.image import Trust, files, links
from localcloud.virtual.published import distribution_source, node_sources
from localcloud.virtual.sources import Source, release_text
from planning.nodes.guest_system import repositories, signing_keys
from tests.planning.documents import STACKS, stack_plan

pytestmark = pytest.mark.unit


def addresses() -> set[str]:
    return {f"https://{source.host}/{source.path}" for source in node_sources()}


def certificates() -> set[str]:
    return {f"https://{s.host}/{s.path}/{s.certificate}" for s in node_sources()}


@pytest.mark.parametrize("stack", STACKS)
def test_every_source_of_a_stacks_user_data_is_on_the_fabric(stack: str) -> None:
    plan = stack_plan(stack)
    assert {url.rstrip("/") for url in repositories(plan).values()} <= addresses()
    assert set(signing_keys(plan).values()) <= certificates()


def test_the_fabric_answers_for_the_name_of_every_source() -> None:
    assert {source.host for source in (distribution_source([]), *node_sources())} <= set(names.ALL)


def test_a_release_has_the_digest_and_the_length_of_each_index() -> None:
    source = Source(host="h", path="p", suite="trixie", component="main", certificate="key")
    text = release_text(source, {"main/binary-amd64/Packages": b"index"}, 0)
    digest = sha256(b"index").hexdigest()
    assert f" {digest} 5 main/binary-amd64/Packages\n" in text
    assert "Date: Thu, 01 Jan 1970 00:00:00 GMT\n" in text


def test_packages_belong_to_the_source_of_their_minor_alone() -> None:
    debs = {"1.36": [Path("kubelet_1.36.deb")]}
    holding = {source.path for source in node_sources(debs) if source.packages}
    assert holding == {"core:/stable:/v1.36/deb", "kubernetes-new/core/stable/v1.36/deb"}


def test_the_image_trusts_the_fabrics_certificates_and_has_no_source_but_the_distributions() -> (
    None
):
    contents = files(Trust(authority=b"ca", packages=b"signer"))
    assert b"ca" in contents.values()
    sources = [path for path in contents if path.startswith("etc/apt/")]
    assert sources == ["etc/apt/sources.list.d/debian.sources"]


def test_the_image_leaves_the_choice_of_the_datasource_to_cloud_init() -> None:
    contents = files(Trust(authority=b"", packages=b""))
    assert not any(b"datasource" in content for content in contents.values())


def test_every_link_of_the_image_is_inside_it() -> None:
    assert not any(path.startswith("/") for path in links())
