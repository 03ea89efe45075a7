"""Each error code of the products has a row in the table of error codes, and each row a source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import localcloud.products
from localcloud.products.catalogue import PRODUCTS
from localcloud.wire.errors import ApiError
from tests.localcloud.cloud_thread import CloudThread, Judge
from tests.localcloud.products.test_ecs_by_sdk import Place
from tests.localcloud.published import error_codes
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit
SOURCES = Path(localcloud.products.__file__).parent
FOLDERS = {
    "ecs": "Ecs",
    "vpc": "Vpc",
    "slb": "Slb",
    "nlb": "Nlb",
    "ram": "Ram",
    "sts": "Sts",
    "resourcemanager": "ResourceManager",
}
MOST_GUESSES = 2


def literals(folder: Path) -> Iterator[str]:
    """The codes that a product's modules raise by a literal."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "ApiError"
                and isinstance(node.args[0], ast.Constant)
            ):
                yield str(node.args[0].value)


def test_the_rows_are_sorted_and_each_is_there_once() -> None:
    keys = [(r.product, r.action, r.code, r.status) for r in error_codes.rows()]
    assert keys == sorted(set(keys))


def test_each_row_has_an_action_of_its_product_and_a_source() -> None:
    actions = {product.name: {*product.actions} for product in PRODUCTS.values()}
    strange = [
        row
        for row in error_codes.rows()
        if row.action not in actions[row.product] | {error_codes.ANY_ACTION}
        or not row.source.strip()
    ]
    assert strange == []


def test_no_more_codes_become_a_guess() -> None:
    assert sum(row.is_guess for row in error_codes.rows()) <= MOST_GUESSES


@pytest.mark.parametrize(("folder", "product"), sorted(FOLDERS.items()))
def test_a_code_that_a_product_raises_is_in_the_table(folder: str, product: str) -> None:
    listed = {row.code for row in error_codes.rows() if row.product == product}
    raised = {c for c in literals(SOURCES / folder) if not c.startswith("LocalCloud.")}
    assert sorted(raised - listed) == []


def test_a_listed_refusal_is_not_a_problem() -> None:
    assert all(
        error_codes.problem(r.product, r.action, r.code, r.status) is None
        for r in error_codes.rows()
    )


@pytest.mark.parametrize(
    ("product", "action", "code", "status"),
    [
        pytest.param("Vpc", "DescribeVpcAttribute", "Teapot.Found", 400, id="unknown code"),
        pytest.param("Vpc", "DescribeVpcAttribute", "InvalidVpcId.NotFound", 418, id="status"),
        pytest.param("Ecs", "StartInstance", "InvalidInstanceId.NotFound", 400, id="ECS status"),
        pytest.param("Vpc", "DescribeVpcs", "InvalidVpcId.NotFound", 404, id="other action"),
    ],
)
def test_what_the_table_lacks_is_a_problem(
    product: str, action: str, code: str, status: int
) -> None:
    assert error_codes.problem(product, action, code, status) is not None


def test_a_refusal_without_a_source_fails_the_test_that_provokes_it(
    judge: Judge, api: Api, cloud: CloudThread
) -> None:
    judge._refused("Ecs", "RunInstances", ApiError("InvalidTeapot", "x", 418))
    assert judge.problems == [
        "Ecs.RunInstances: InvalidTeapot with status 418 is not in error_codes.tsv"
    ]
    judge.problems.clear()
    with refused("InvalidInstanceId.NotFound"):
        api.ecs("StartInstance", InstanceId="i-none")
    assert judge.problems == []
    assert cloud.thread.is_alive()


def test_a_place_is_created_with_listed_codes_only(api: Api, judge: Judge) -> None:
    place = Place(api)
    with refused("InvalidSecurityGroupId.NotFound"):
        place.eni(SecurityGroupIds=["sg-none"])
    assert judge.problems == []
