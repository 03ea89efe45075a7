"""Checks that need a planned network: gateway places, room, and equal rules."""

from __future__ import annotations

from collections.abc import Iterator

from config.model import ClusterConfig
from config.report import Problem
from planning.addresses.capacity import gateways_have_room
from planning.cloud.gateway_places import gateway_places
from planning.cloud.security import equal_rules, rules_fit
from planning.model import ClusterPlan


def network_problems(config: ClusterConfig, plan: ClusterPlan) -> Iterator[Problem]:
    """Every problem of the network. `plan` may lack what could not be placed."""
    yield from gateway_places(config).problems
    yield from gateways_have_room(plan)
    yield from equal_rules(plan)
    yield from rules_fit(plan)
