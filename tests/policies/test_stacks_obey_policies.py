from __future__ import annotations

import pytest

from operations.engine.stack_file import Stack, path_of_stack
from policies.rules import PRODUCTION, violations
from tests.deploying import deploy
from tests.recording import Run, Secret

pytestmark = pytest.mark.unit


def deployed(stack: str) -> Run:
    return deploy(dict(Stack.read(path_of_stack(stack)).file.cluster), stack=stack)


def violations_of(run: Run, *, production: bool) -> list[str]:
    return [
        f"{resource.name}: {violation.rule}"
        for resource in run.resources
        for violation in violations(
            resource.type,
            {k: v.value if isinstance(v, Secret) else v for k, v in resource.inputs.items()},
            production=production,
        )
    ]


@pytest.mark.parametrize("stack", ["local", "dev", "prod"])
def test_no_stack_breaks_a_rule(stack: str) -> None:
    assert violations_of(deployed(stack), production=stack == "prod") == []


def test_every_rule_has_something_to_judge_in_production() -> None:
    types = {resource.type for resource in deployed("prod").resources}
    judged = {
        rule.__name__ for rule in PRODUCTION if any(list(rule(kind, _WORST)) for kind in types)
    }
    assert judged == {rule.__name__ for rule in PRODUCTION}


_WORST = {
    "type": "ingress",
    "ipProtocol": "tcp",
    "portRange": "1/65535",
    "cidrIp": "0.0.0.0/0",
    "policyName": "AdministratorAccess",
}
"""Inputs that break every rule whose type they are given to."""
