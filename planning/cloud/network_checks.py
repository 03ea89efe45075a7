"""Checks that need a planned network: gateway places, room, and equal rules."""

from __future__ import annotations

from collections.abc import Iterator

from config.model import ClusterConfig
from config.report import Problem
from planning.cloud.gateway_places import gateway_places
from planning.cloud.security import equal_rules, rules_fit
from planning.cloud.vswitch_room import gateways_have_room
from planning.model import ClusterPlan
from planning.nodes.access_lists import access_lists_have_room


def network_problems(config: ClusterConfig, plan: ClusterPlan) -> Iterator[Problem]:
    """Every problem of the network. `plan` may lack what could not be placed."""
    yield from gateway_places(config).problems
    yield from gateways_have_room(plan)
    yield from access_lists_have_room(plan)
    yield from equal_rules(plan)
    yield from rules_fit(plan)
