"""A created object's fields pass to the manager that will change them."""

from __future__ import annotations

from typing import Any

import pytest

from components.add_ons.field_ownership import owned_by

pytestmark = pytest.mark.unit

OURS = "pulumi-kubernetes-1a2b3c4d"


def entry(manager: str, operation: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {}}, **more}


CREATED = entry("pulumi-kubernetes", "Update")
STATUS = entry("cloud-controller-manager", "Update", subresource="status")


def test_what_the_creation_owns_becomes_applied() -> None:
    assert owned_by(OURS, [CREATED, STATUS]) == [entry(OURS, "Apply"), STATUS]


def test_an_object_that_was_changed_already_stays_as_it_is() -> None:
    assert owned_by(OURS, [entry(OURS, "Apply"), STATUS]) is None
    assert owned_by(OURS, [CREATED, entry(OURS, "Apply")]) is None


def test_an_object_of_somebody_else_stays_as_it_is() -> None:
    assert owned_by(OURS, [entry("kubectl-create", "Update")]) is None
    assert owned_by(OURS, [entry("pulumi-kubernetes", "Update", subresource="status")]) is None
    assert owned_by(OURS, []) is None
