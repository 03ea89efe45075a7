"""What the two kinds of load balancers have in common for the controller."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .cloud import Cloud
    from .desired import Backend, DesiredLoadBalancer, Port
    from .flags import CloudConfig


class BalancerKind(ABC):
    """Creates, updates and deletes load balancers of one kind."""

    def __init__(self, cloud: Cloud, config: CloudConfig) -> None:
        self._cloud = cloud
        self._config = config

    @abstractmethod
    def ensure(
        self, desired: DesiredLoadBalancer, groups: Mapping[Port, Sequence[Backend]]
    ) -> tuple[str, list[dict[str, str]]]:
        """Bring the load balancer to its desired state; return its id and the Service's ingress.

        Raises:
            CloudError: The OpenAPI refused.
            ServiceError: The Service asks for something impossible.
        """

    @abstractmethod
    def remove(self, desired: DesiredLoadBalancer) -> str | None:
        """Delete what was created for the Service; return the load balancer's id, or None."""
