"""Supported versions of Spiderpool's chart.

Steps from one to the other are planned in `planning.transitions.upgrades`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from config.model import ClusterConfig
from config.report import Problem

SPIDERPOOL: Final = ("1.2.1", "1.2.2")
"""Chart versions whose values and CRDs this program was tested with, oldest first. They differ in
version lines only, so an upgrade between them does not change a CRD.
"""


def chart_version_is_supported(config: ClusterConfig) -> Iterator[Problem]:
    """The chart's version is one of the table."""
    version = config.spiderpool.chart.version
    if config.spiderpool.enabled and version not in SPIDERPOOL:
        yield Problem(
            path="spiderpool.chart.version",
            value=version,
            rule=f"This program has the values and CRDs of Spiderpool {' and '.join(SPIDERPOOL)}; "
            "other versions may have others.",
            remedy=f"Write {SPIDERPOOL[-1]}.",
        )


RULES = (chart_version_is_supported,)
