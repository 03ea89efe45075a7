"""Which versions there are a way between, and the rule about the chart's.

Steps from one to the other are planned in `planning.transitions.upgrades`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from config.model import ClusterConfig
from config.report import Problem

SPIDERPOOL: Final = ("1.2.1", "1.2.2")
"""Chart versions whose values and CRDs this program was held against, oldest first.

Their charts differ in version lines only, so that an upgrade between them changes no CRD.
"""


def chart_version_is_supported(config: ClusterConfig) -> Iterator[Problem]:
    """Values, CRDs and webhooks are those of the versions in the table."""
    version = config.spiderpool.chart.version
    if config.spiderpool.enabled and version not in SPIDERPOOL:
        yield Problem(
            path="spiderpool.chart.version",
            value=version,
            rule="This program knows values and CRDs of Spiderpool "
            f"{' and '.join(SPIDERPOOL)}; another chart may want others.",
            remedy=f"Write {SPIDERPOOL[-1]}.",
        )


RULES = (chart_version_is_supported,)
