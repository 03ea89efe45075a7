"""Rules about the network that pods get."""

from __future__ import annotations

from collections.abc import Iterator

from config.facts.address_counting import missing_for_counting
from config.model import ClusterConfig
from config.report import Problem


def spreading_needs_counting(config: ClusterConfig) -> Iterator[Problem]:
    """Spreading pods over NICs needs the admission policies that count addresses."""
    reason = missing_for_counting(config.kubernetes, config.spiderpool)
    if reason is None and not config.pods.count_addresses:
        reason = "pods.countAddresses is false"
    if config.pods.default_network == "spread" and reason is not None:
        yield Problem(
            path="pods.defaultNetwork",
            value="spread",
            rule=f"Pods are spread by an admission policy that counts addresses, and {reason}.",
            remedy="Write eth0, or leave it out.",
        )


RULES = (spreading_needs_counting,)
