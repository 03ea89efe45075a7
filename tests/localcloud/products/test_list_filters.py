"""A filter that an action declares has an effect on its list.

Every text parameter of a list that the rows show under the same name is sent with a value that
nothing has. The answer must be empty or a refusal. Parameters that are marked as not read
(`published/data/unread.json`) are left out.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from localcloud.products.catalogue import PRODUCTS
from localcloud.requests.actions import Product
from localcloud.settings import Cloud
from localcloud.wire.parameters import wire_name
from tests.localcloud.cloud_thread import CloudThread, Judge
from tests.localcloud.corpus import entries, runner
from tests.localcloud.fast_homes import fast_home
from tests.localcloud.published import coverage, sweep

pytestmark = pytest.mark.unit
NAMELESS = ("nat_binding", "clb_listener", "tcp_listener", "udp_listener", "clb_rule", "acl")
OF_ECS_DEFAULT_GROUP = frozenset({"ResourceGroupId"})
"""Resources of the default group are in each list of ECS (`resource_groups.is_shown`)."""


@pytest.fixture(scope="module")
def session() -> Iterator[runner.Session]:
    """A cloud with one resource of each kind."""
    with fast_home("filters-") as home:
        cloud = CloudThread.start(home, dataclasses.replace(Cloud(), strict=True), Judge())
        session = runner.Session(cloud, entries.world())
        for name in NAMELESS:
            session.id_of(name)
        yield session
        cloud.close()


def rows(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of an answer that is a list; empty for any other answer."""
    for outer in answer.values():
        inner = next(iter(outer.values()), None) if isinstance(outer, dict) else outer
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            return inner
    return []


def texts(product: Product, action: str) -> list[str]:
    """The names of the action's text parameters."""
    request = product.actions[action].request
    hints = typing.get_type_hints(request)
    return [
        wire_name(field)
        for field in dataclasses.fields(request)  # a dataclass
        if hints[field.name] in {str, str | None}
    ]


def filters(product: Product, action: str, shown: list[Mapping[str, Any]]) -> list[str]:
    """The text parameters that the rows show, without those that are marked as not read."""
    exempt = OF_ECS_DEFAULT_GROUP if product.name == "Ecs" else frozenset()
    names = {name for row in shown[:1] for name in row} - exempt - {"RegionId"}
    return [
        name
        for name in sorted(names & {*texts(product, action)})
        if coverage.reason_for(f"{product.name}.{action}.{name}") is None
    ]


@pytest.mark.parametrize(
    # The parameters of the location service are shown in its answer, and filter nothing.
    "product",
    [product for product in PRODUCTS.values() if product.name != "Location"],
    ids=lambda product: product.name,
)
def test_a_filter_for_what_nothing_has_empties_the_list(
    session: runner.Session, product: Product
) -> None:
    without_effect = []
    for action in sorted(product.actions):
        if not action.startswith(("Describe", "List")):
            continue
        request = next(iter(sweep.requests(product, action, session.id_of)))
        shown = rows(session.cloud.document(product.version, action, request))
        for name in filters(product, action, shown):
            asked = {**request, name: "nothing-has-this"}
            answer = session.cloud.document(product.version, action, asked)
            if "HostId" not in answer and rows(answer):
                without_effect.append(f"{product.name}.{action}.{name}")
    assert "\n".join(without_effect) == ""
