"""The table of error codes: each code in the products' source has a row, each row a source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import localcloud.products
from tests.localcloud import network_codes as codes

pytestmark = pytest.mark.unit
PRODUCTS = Path(localcloud.products.__file__).parent
FOLDERS = {"vpc": "Vpc", "slb": "Slb", "nlb": "Nlb", "ram": "Ram", "sts": "Sts"}


def literals(folder: Path) -> Iterator[str]:
    """The codes that a product's modules raise by a literal."""
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "ApiError"
                and isinstance(node.args[0], ast.Constant)
            ):
                yield str(node.args[0].value)


def test_every_row_names_a_source() -> None:
    assert codes.table()
    assert all(source.strip() for source in codes.table().values())


def test_a_refusal_that_the_table_has_is_no_problem() -> None:
    (product, action, code, status), *_ = codes.table()
    assert codes.problem(product, action, code, status) is None


@pytest.mark.parametrize(
    ("code", "status"), [("Teapot.Found", 400), ("InvalidVpcId.NotFound", 418)]
)
def test_a_code_or_a_status_that_the_table_lacks_is_a_problem(code: str, status: int) -> None:
    assert codes.problem("Vpc", "DescribeVpcAttribute", code, status) is not None


def test_another_action_s_code_is_a_problem() -> None:
    assert codes.problem("Vpc", "DescribeVpcs", "InvalidVpcId.NotFound", 404) is not None


@pytest.mark.parametrize(("folder", "product"), sorted(FOLDERS.items()))
def test_the_codes_of_a_product_are_in_the_table_or_listed_as_not_reached(
    folder: str, product: str
) -> None:
    known = {code for p, _, code, _ in codes.table() if p == product}
    reached = known | codes.not_reached(product)
    raised = {c for c in literals(PRODUCTS / folder) if not c.startswith("LocalCloud.")}
    assert sorted(raised - reached) == []
