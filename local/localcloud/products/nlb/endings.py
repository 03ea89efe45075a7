"""Removal of deleted entities, and all that they own, after their last status has passed."""

from __future__ import annotations

from typing import Final

from localcloud.products.nlb.load_balancer import addresses
from localcloud.requests.actions import Call

from .entities import (
    DELETED,
    REMOVED,
    NetworkLoadBalancer,
    NlbJob,
    NlbListener,
    NlbServerGroup,
)

_JOB_SECONDS: Final = 3600.0


def settle(call: Call) -> None:
    """Remove everything whose end has come. This runs in the transaction of every change."""
    _load_balancers(call)
    _server_groups(call)
    for job in list(call.store.all(NlbJob)):
        if call.now - job.created > _JOB_SECONDS:
            call.store.remove(job)


def _load_balancers(call: Call) -> None:
    for load_balancer in list(call.store.all(NetworkLoadBalancer)):
        if load_balancer.life.at(call.now) == DELETED:
            for zone in load_balancer.zones:
                addresses.give_back(call, zone)
            call.store.remove(load_balancer)
    for listener in list(call.store.all(NlbListener)):
        orphaned = call.store.find(NetworkLoadBalancer, listener.load_balancer_id) is None
        if orphaned or listener.life.at(call.now) == DELETED:
            call.store.remove(listener)


def _server_groups(call: Call) -> None:
    for group in list(call.store.all(NlbServerGroup)):
        left = tuple(s for s in group.servers if s.life.at(call.now) != REMOVED)
        if group.life.at(call.now) == DELETED:
            call.store.remove(group)
        elif len(left) < len(group.servers):
            call.store.change(group, servers=left)
